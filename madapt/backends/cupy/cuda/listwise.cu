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

// A of a pair: weight / t (q - p), and with `symmetric` that of its mirror image, too.
struct ListSlope {
    const float *targets, *weights, *slopes, *inverse;
    const unsigned char* pairs;
    float target;
    int graded, diagonal, symmetric, L;
    size n, B;
    size i, j;
    float p;

    // What turns masses at dim l, or L for the targets', into shares.
    __device__ float shares(int l) const {
        return inverse[l * B + i] + (symmetric ? inverse[l * B + j] : 0.0f);
    }

    __device__ bool begins(size row, size column) {
        i = row;
        j = column;
        if (!counts(pairs == nullptr ? nullptr : pairs + i * n, j, diagonal ? i : -1)) return false;
        p = target_mass(targets[i * n + j], target, graded) * shares(L);
        return true;
    }

    __device__ float operator()(int l, float c) const {
        const float slope = slopes[l], q = exp2f(c * slope - slope) * shares(l);
        return weights[l] * slope * (float)LN2 * (q - p);
    }
};

// With `symmetric`, T = B = n. The rest as for list_rows and slopes_by_column.
extern "C" __global__ void list_columns(float* K, const float* targets, const unsigned char* pairs,
                                        const float* r, const float* s, const float* weights,
                                        const float* slopes, float target, int graded,
                                        int diagonal, int symmetric, int rows, int L, size T,
                                        size n, size B, size first, const float* inverse,
                                        float* column_sums) {
    DYNAMIC_SHARED(float, room);
    const ListSlope slope = {targets, weights, slopes, inverse, pairs, target,
                             graded, diagonal, symmetric, L, n, B, 0, 0, 0};
    slopes_by_column(K, r, s, rows, L, T, n, B, first, room, column_sums, slope);
}
