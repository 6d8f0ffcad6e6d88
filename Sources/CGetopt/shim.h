#pragma once
/* glibc's getopt_long, which the Glibc module does not show. */
#include <getopt.h>
