// The listwise losses between the products.
//
// exp((c - 1) / t) = 2^(k c - k) with k = log2(e) / t: cosines reach at most 1, so no row needs
// its largest entry first. The divergence is summed as p (S / t' - c / t), not as
// p (log p - log q): where both distributions are alike, the latter is the difference of two
// large numbers.

// How much of the target is at x: a grade, or 2^(k x - k) for a cosine.
__device__ float target_mass(float x, float slope, int graded) {
    return graded ? x : exp2f(x * slope - slope);
}

// Make running sums of the Gram blocks of a tile; normalise each row's lists. A block a row.
//
// K (L, T, n): Gram blocks of rows first .. first + T, turned into Gram matrices in place.
// targets, pairs (B, n): grades or cosines; which columns are in the list, null for all.
// r (L, B), s (L, n): inverse lengths. weights, slopes (L): of the dims; log2(e) / t.
// inverse (L + 1, B): 1 / sum of exp((c - 1) / t), and 1 / the targets' mass in the last row.
// values, row_sums (L, B): the divergence, and the sum of A C, A = weight / t (q - p).
extern "C" __global__ void list_rows(float* K, const float* targets, const unsigned char* pairs,
                                     const float* r, const float* s, const float* weights,
                                     const float* slopes, float target, int graded, int diagonal,
                                     int L, size T, size n, size B, size first, float* inverse,
                                     double* values, double* row_sums) {
    const size i = blockIdx.x, at = first + i, own = diagonal ? at : -1;
    const float* x = targets + at * n;
    if (pairs != nullptr) pairs += at * n;
    double mass[2] = {0, 0};
    for (size j = threadIdx.x; j < n; j += BLOCK) {
        if (!counts(pairs, j, own)) continue;
        const float e = target_mass(x[j], target, graded);
        mass[0] += e;
        if (graded && e > 0) mass[1] += e * logf(e);
    }
    block_sums<2>(mass);
    const bool any = mass[0] > 0;
    if (threadIdx.x == 0) inverse[L * B + at] = any ? (float)(1 / mass[0]) : 0.0f;
    for (int l = 0; l < L; ++l) {
        float* k = K + (l * T + i) * n;
        const float ri = r[l * B + at], slope = slopes[l];
        const float scale = graded ? 1.0f : target / slope;
        float z = 0, lost = 0, qc = 0, ec = 0;
        for (size j = threadIdx.x; j < n; j += BLOCK) {
            const float gram = l ? k[j] + k[j - T * n] : k[j];
            k[j] = gram;
            if (!counts(pairs, j, own)) continue;
            const float c = gram * ri * s[l * n + j];
            const float q = exp2f(c * slope - slope);
            const float e = target_mass(x[j], target, graded);
            z += q;
            lost += e * ((graded ? 1.0f : x[j]) * scale - c);
            qc += q * c;
            ec += e * c;
        }
        double sums[4] = {z, lost, qc, ec};
        block_sums<4>(sums);
        if (threadIdx.x != 0) continue;
        const double t = 1 / (slope * LN2);
        // Both sums are of cosines less 1, which another temperature does not cancel.
        double rest = (slope - (double)target) * LN2 - log(any ? mass[0] : 1.0);
        if (graded) rest = any ? mass[1] / mass[0] - log(mass[0]) : 0;
        inverse[l * B + at] = any ? (float)(1 / sums[0]) : 0.0f;
        values[l * B + at] =
            any ? weights[l] * (sums[1] / mass[0] / t + log(sums[0]) + rest) : 0.0;
        row_sums[l * B + at] =
            any ? weights[l] / t * (sums[2] / sums[0] - sums[3] / mass[0]) : 0.0;
    }
}

// Turn the Gram matrices of a tile, in place, into running sums of D from the back. A thread a
// column and `rows` rows.
//
// With `symmetric`, T = B = n and A is q - p and its transpose. column_sums (L, chunks, n): of A C.
extern "C" __global__ void list_columns(float* K, const float* targets, const unsigned char* pairs,
                                        const float* r, const float* s, const float* weights,
                                        const float* slopes, float target, int graded,
                                        int diagonal, int symmetric, int rows, int L, size T,
                                        size n, size B, size first, const float* inverse,
                                        float* column_sums) {
    DYNAMIC_SHARED(float, room);
    const size j = (size)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    float* pull = room + threadIdx.x;  // of dim l at l * blockDim.x
    for (int l = 0; l < L; ++l) pull[l * blockDim.x] = 0;
    const size begin = (size)blockIdx.y * rows;
    const size end = begin + rows < T ? begin + rows : T;
    for (size i = begin; i < end; ++i) {
        const size at = first + i;
        const bool in_list =
            counts(pairs == nullptr ? nullptr : pairs + at * n, j, diagonal ? at : -1);
        float total = 0, p = 0;
        if (in_list) {
            const float both = inverse[L * B + at] + (symmetric ? inverse[L * B + j] : 0.0f);
            p = target_mass(targets[at * n + j], target, graded) * both;
        }
        for (int l = L - 1; l >= 0; --l) {
            float* k = K + (l * T + i) * n + j;
            if (in_list) {
                const float lengths = r[l * B + at] * s[l * n + j], slope = slopes[l];
                const float c = *k * lengths;
                const float both = inverse[l * B + at] + (symmetric ? inverse[l * B + j] : 0.0f);
                const float q = exp2f(c * slope - slope) * both;
                const float a = weights[l] * slope * (float)LN2 * (q - p);
                pull[l * blockDim.x] += a * c;
                total += a * lengths;
            }
            *k = total;
        }
    }
    for (int l = 0; l < L; ++l)
        column_sums[(l * (size)gridDim.y + blockIdx.y) * n + j] = pull[l * blockDim.x];
}
