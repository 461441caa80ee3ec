// What the kernels share: sizes of blocks, and sums whose order never changes.
//
// No kernel adds to a number that another block adds to, so that the same input gives the same
// bits every time. tests/backends/cuda_on_cpu.h lets a C++ compiler run all of this on a CPU.

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

#define BLOCK 256
#define EPSILON 1.1920929e-7f
#define SMALLEST 1.17549435e-38f
#define LN2 0.6931471805599453

typedef long long size;

// Sum each of N numbers over the threads of a block; all of them get the sums.
template <int N>
__device__ void block_sums(double (&x)[N]) {
    __shared__ double room[N][BLOCK];
    const int me = threadIdx.x;
    for (int k = 0; k < N; ++k) room[k][me] = x[k];
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (me < half)
            for (int k = 0; k < N; ++k) room[k][me] += room[k][me + half];
        __syncthreads();
    }
    for (int k = 0; k < N; ++k) x[k] = room[k][0];
    __syncthreads();
}

// Whether column j is in the list of a row; `own` is the row's own column, or -1.
__device__ bool counts(const unsigned char* pairs, size j, size own) {
    return j != own && (pairs == nullptr || pairs[j]);
}
