// What the kernels share: sizes of blocks, sums whose order never changes, the pass by columns.
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

// Turn the Gram matrices K (L, T, n) of a tile, in place, into running sums of D from the back. A
// thread a column and `rows` rows.
//
// slope.begins(i, j) says whether the pair of row i and column j counts; slope(l, c) is then its A at
// dim l, where its cosine is c. room: L numbers a thread. column_sums (L, chunks, n): of A C.
template <class Slope>
__device__ void slopes_by_column(float* K, const float* r, const float* s, int rows, int L, size T,
                                 size n, size B, size first, float* room, float* column_sums,
                                 Slope slope) {
    const size j = (size)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    float* pull = room + threadIdx.x;  // of dim l at l * blockDim.x
    for (int l = 0; l < L; ++l) pull[l * blockDim.x] = 0;
    const size begin = (size)blockIdx.y * rows;
    const size end = begin + rows < T ? begin + rows : T;
    for (size i = begin; i < end; ++i) {
        const size at = first + i;
        const bool in_list = slope.begins(at, j);
        float total = 0;
        for (int l = L - 1; l >= 0; --l) {
            float* k = K + (l * T + i) * n + j;
            if (in_list) {
                const float lengths = r[l * B + at] * s[l * n + j];
                const float c = *k * lengths, a = slope(l, c);
                pull[l * blockDim.x] += a * c;
                total += a * lengths;
            }
            *k = total;
        }
    }
    for (int l = 0; l < L; ++l)
        column_sums[(l * (size)gridDim.y + blockIdx.y) * n + j] = pull[l * blockDim.x];
}
