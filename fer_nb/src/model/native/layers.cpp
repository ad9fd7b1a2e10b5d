// The layers as one translation unit. Each includes libtorch's headers, whose templates would
// otherwise lie in the library three times, for each cell of a notebook to link.

#include "convolution.cpp"
#include "norm.cpp"
#include "pool.cpp"
