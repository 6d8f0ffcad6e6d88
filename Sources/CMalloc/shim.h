#pragma once
/* glibc's mallopt(3), which the Glibc module does not show; the options are macros that Swift cannot read. */
#include <malloc.h>

static const int weir_malloc_fast_bins_max = M_MXFAST;
static const int weir_malloc_trim_threshold = M_TRIM_THRESHOLD;
static const int weir_malloc_mmap_threshold = M_MMAP_THRESHOLD;
