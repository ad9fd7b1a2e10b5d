// The layers as one translation unit. Each includes libtorch's headers, whose templates the library would otherwise
// contain three times, and every cell of a notebook would link them.

#include "convolution.cpp"
#include "norm.cpp"
#include "pool.cpp"
