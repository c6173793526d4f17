/* Two errors that the sanitizers must report; otherwise they are not active. */
#include <limits.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        volatile int large = INT_MAX;
        return large + argc;
    }
    volatile char *bytes = malloc(8);
    bytes[8 * argc] = 1;
    return bytes[0];
}
