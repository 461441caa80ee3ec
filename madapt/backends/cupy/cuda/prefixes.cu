// What comes before the products of prefixes, and after them.

// parts = the column blocks of Y, one after another, each of them contiguous.
extern "C" __global__ void split(const float* Y, const int* edges, int L, size B, size d,
                                 float* parts) {
    const size width = edges[L];
    const size at = (size)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= B * width) return;
    const size i = at / width;
    const int x = at % width;
    int l = 0;
    while (edges[l + 1] <= x) ++l;
    const size w = edges[l + 1] - edges[l];
    parts[B * edges[l] + i * w + x - edges[l]] = Y[i * d + x];
}

// r_l = 1 / length of prefix l; 0 where that is below eps times the whole row's. A block a row.
extern "C" __global__ void inverse_lengths(const float* Y, const int* edges, int L, size B, size d,
                                           float* r) {
    DYNAMIC_SHARED(double, squares);
    const float* row = Y + (size)blockIdx.x * d;
    double whole = 0;
    for (int l = 0; l < L; ++l) {
        double sum[1] = {0};
        for (int x = edges[l] + threadIdx.x; x < edges[l + 1]; x += BLOCK)
            sum[0] += (double)row[x] * row[x];
        block_sums<1>(sum);
        whole += sum[0];
        if (threadIdx.x == 0) squares[l] = whole;
    }
    __syncthreads();
    const double relative = whole * EPSILON * EPSILON;
    const double floor = relative > SMALLEST ? relative : SMALLEST;
    for (int l = threadIdx.x; l < L; l += BLOCK)
        r[l * B + blockIdx.x] = squares[l] > floor ? (float)(1 / sqrt(squares[l])) : 0.0f;
}

// pull_t = sum over l >= t of r_l^2 sums_l. A thread a row.
extern "C" __global__ void pulls(const double* sums, const float* r, int L, size B, float* pull) {
    const size i = (size)blockIdx.x * BLOCK + threadIdx.x;
    if (i >= B) return;
    double total = 0;
    for (int l = L - 1; l >= 0; --l) {
        const double length = r[l * B + i];
        total += length * length * sums[l * B + i];
        pull[l * B + i] = total;
    }
}

// gradient = factor (parts - pull Y), 0 beyond the last prefix.
extern "C" __global__ void finish(const float* parts, const float* Y, const float* pull,
                                  const int* edges, int L, size B, size d, const double* factor,
                                  float* gradient) {
    const size at = (size)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= B * d) return;
    const size i = at / d;
    const int x = at % d;
    float found = 0;
    if (x < edges[L]) {
        int l = 0;
        while (edges[l + 1] <= x) ++l;
        const size w = edges[l + 1] - edges[l];
        const float part = parts[B * edges[l] + i * w + x - edges[l]];
        found = (float)factor[0] * (part - pull[l * B + i] * Y[at]);
    }
    gradient[at] = found;
}
