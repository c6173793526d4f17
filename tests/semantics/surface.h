/* What the embedder of the scenarios calls: once through the C library, once through the Rust crate. */
#ifndef SURFACE_H
#define SURFACE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the profiler of the isolate that is entered; 0 when it cannot. */
int surface_open(void *isolate);

/* Does one thing; the answer is NUL-terminated, and valid until the next call. */
const char *surface_call(const char *operation, const char *text, double a, double b, double c);

/* Frees everything. */
void surface_close(void);

#ifdef __cplusplus
}
#endif

#endif
