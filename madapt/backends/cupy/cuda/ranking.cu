// The ranking loss between the products.

// The loss of a margin, log(1 + e^x), without overflow.
__device__ float soft_plus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

__device__ float logistic(float x) {
    const float u = expf(-fabsf(x));
    return (x >= 0 ? 1.0f : u) / (1.0f + u);
}

// Add the terms of the positive at `place` to A; return their value, slopes and number.
__device__ void add_terms(const float* c, const float* grades, size n, size place, float steepness,
                          float* A, double (&sums)[3]) {
    const float grade = grades[place], best = c[place];
    for (int k = 0; k < 3; ++k) sums[k] = 0;
    for (size j = threadIdx.x; j < n; j += BLOCK) {
        const float gain = grade - grades[j];
        if (!(gain > 0)) continue;
        const float margin = (c[j] - best) * steepness;
        const float slope = gain * logistic(margin);
        A[j] += slope;
        sums[0] += gain * soft_plus(margin);
        sums[1] += slope;
        sums[2] += 1;
    }
    block_sums<3>(sums);
    // By the thread that adds to it: no other one waits.
    if (threadIdx.x == place % BLOCK) A[place] -= (float)sums[1];
}

// Turn the Gram blocks of a tile into cosines, and sum up what each says of them. A block a row.
//
// K (L, T, n), r, s, weights as for list_rows. grades (B, n); A (L, T, n): weight times slope.
// values, row_sums (L, B), terms (B): their number.
extern "C" __global__ void ranking_rows(float* K, const float* grades, const float* r,
                                        const float* s, const float* weights, float steepness,
                                        int L, size T, size n, size B, size first, float* A,
                                        double* values, double* row_sums, double* terms) {
    __shared__ unsigned char positive[BLOCK];
    const size i = blockIdx.x, at = first + i;
    const int me = threadIdx.x;
    grades += at * n;
    for (int l = 1; l < L; ++l) {
        float* gram = K + (l * T + i) * n;
        for (size j = me; j < n; j += BLOCK) gram[j] += gram[j - T * n];
    }
    for (int l = 0; l < L; ++l) {
        float* c = K + (l * T + i) * n;
        float* a = A + (l * T + i) * n;
        const float ri = r[l * B + at];
        double value = 0, total = 0, sums[3];
        for (size j = me; j < n; j += BLOCK) {
            a[j] = 0;
            c[j] *= ri * s[l * n + j];
        }
        for (size start = 0; start < n; start += BLOCK) {
            __syncthreads();
            positive[me] = start + me < n && grades[start + me] > 0;
            __syncthreads();
            for (int p = 0; p < BLOCK; ++p) {
                if (!positive[p]) continue;
                add_terms(c, grades, n, start + p, steepness, a, sums);
                value += sums[0];
                total += sums[2];
            }
        }
        __syncthreads();
        double pull[1] = {0};
        for (size j = me; j < n; j += BLOCK) {
            a[j] *= weights[l];
            pull[0] += a[j] * c[j];
        }
        block_sums<1>(pull);
        if (me != 0) continue;
        values[l * B + at] = weights[l] * value;
        row_sums[l * B + at] = pull[0];
        if (l == 0) terms[at] = total;
    }
}

// Turn the cosines of a tile, in place, into running sums of D from the back. A thread a column
// and `rows` rows; column_sums (L, chunks, n) as for list_columns.
extern "C" __global__ void ranking_columns(float* K, const float* A, const float* r, const float* s,
                                           int rows, int L, size T, size n, size B, size first,
                                           float* column_sums) {
    DYNAMIC_SHARED(float, room);
    const size j = (size)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    float* pull = room + threadIdx.x;
    for (int l = 0; l < L; ++l) pull[l * blockDim.x] = 0;
    const size begin = (size)blockIdx.y * rows;
    const size end = begin + rows < T ? begin + rows : T;
    for (size i = begin; i < end; ++i) {
        float total = 0;
        for (int l = L - 1; l >= 0; --l) {
            const size k = (l * T + i) * n + j;
            pull[l * blockDim.x] += A[k] * K[k];
            total += A[k] * r[l * B + first + i] * s[l * n + j];
            K[k] = total;
        }
    }
    for (int l = 0; l < L; ++l)
        column_sums[(l * (size)gridDim.y + blockIdx.y) * n + j] = pull[l * blockDim.x];
}
