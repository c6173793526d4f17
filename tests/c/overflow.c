/* Two mistakes that the sanitizers must report, or they are not there. */
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
