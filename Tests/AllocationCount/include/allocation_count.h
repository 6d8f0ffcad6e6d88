#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

/* Blocks of memory this thread has asked for since it began: calls of malloc, calloc, realloc and their aligned kin,
 * of any library of the process. Linux with glibc; 0 elsewhere. */
unsigned long allocation_count(void);

#endif
