/* The functions that the embedder of the scenarios calls, implemented with the C library and with the Rust crate. */
#ifndef SURFACE_H
#define SURFACE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the profiler of the entered isolate. Returns 0 on failure. */
int surface_open(void *isolate);

/* Performs an operation. The result is NUL-terminated and valid until the next call. */
const char *surface_call(const char *operation, const char *text, double a, double b, double c);

/* Frees everything. */
void surface_close(void);

#ifdef __cplusplus
}
#endif

#endif
