/* A program's own malloc comes before the library's for all code of the process (ELF symbol order), so that tests can
 * count. glibc offers its functions under a second name for this (The GNU C Library, "Replacing malloc"). */
#include "allocation_count.h"

#include <errno.h>
#include <stddef.h>

#if defined(__GLIBC__) || defined(__linux__)
#include <stdlib.h>

static _Thread_local unsigned long blocks;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    blocks++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    blocks++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    blocks++;
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    blocks++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *made = memalign(alignment, size);
    if (!made) return ENOMEM;
    *block = made;
    return 0;
}

unsigned long allocation_count(void) { return blocks; }
#else
unsigned long allocation_count(void) { return 0; }
#endif
