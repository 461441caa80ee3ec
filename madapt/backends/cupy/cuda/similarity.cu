// The pairwise and top-k losses between the products.

// A difference of cosines within 8 eps is rounding.
#define LIMIT (8 * EPSILON)

// What pair j weighs in both losses; near_j is how often it is one of neighbours.
__device__ float pair_weight(const float* shares, const unsigned char* near, size j) {
    return shares[0] + (near == nullptr ? 0.0f : near[j] * shares[1]);
}

// Make running sums of the Gram blocks of a tile; sum up values and A C. A block a row.
//
// K, r, s, pairs, weights as for list_rows. S (B, n): targets; near (B, n): 0, 1 or 2, null for 0.
// shares (2): what a pair and what a neighbour weigh. values, row_sums (L, B).
extern "C" __global__ void pair_rows(float* K, const float* S, const unsigned char* pairs,
                                     const unsigned char* near, const float* r, const float* s,
                                     const float* weights, const float* shares, int diagonal,
                                     int L, size T, size n, size B, size first, double* values,
                                     double* row_sums) {
    const size i = blockIdx.x, at = first + i, own = diagonal ? at : -1;
    S += at * n;
    if (pairs != nullptr) pairs += at * n;
    if (near != nullptr) near += at * n;
    for (int l = 0; l < L; ++l) {
        float* k = K + (l * T + i) * n;
        const float ri = r[l * B + at];
        float value = 0, pull = 0;
        for (size j = threadIdx.x; j < n; j += BLOCK) {
            const float gram = l ? k[j] + k[j - T * n] : k[j];
            k[j] = gram;
            if (!counts(pairs, j, own)) continue;
            const float c = gram * ri * s[l * n + j];
            const float difference = c - S[j], magnitude = fabsf(difference);
            const float w = weights[l] * pair_weight(shares, near, j);
            value += w * magnitude;
            if (magnitude > LIMIT) pull += difference > 0 ? w * c : -w * c;
        }
        double sums[2] = {value, pull};
        block_sums<2>(sums);
        if (threadIdx.x == 0) {
            values[l * B + at] = sums[0];
            row_sums[l * B + at] = sums[1];
        }
    }
}

// Turn the Gram matrices of a tile, in place, into running sums of D from the back. A thread a
// column and `rows` rows; symmetric and column_sums (L, chunks, n) as for list_columns.
extern "C" __global__ void pair_columns(float* K, const float* S, const unsigned char* pairs,
                                        const unsigned char* near, const float* r, const float* s,
                                        const float* weights, const float* shares, int diagonal,
                                        int symmetric, int rows, int L, size T, size n, size B, size first,
                                        float* column_sums) {
    DYNAMIC_SHARED(float, room);
    const size j = (size)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n) return;
    float* pull = room + threadIdx.x;
    for (int l = 0; l < L; ++l) pull[l * blockDim.x] = 0;
    const size begin = (size)blockIdx.y * rows;
    const size end = begin + rows < T ? begin + rows : T;
    for (size i = begin; i < end; ++i) {
        const size at = first + i;
        const bool in_list =
            counts(pairs == nullptr ? nullptr : pairs + at * n, j, diagonal ? at : -1);
        const float target = S[at * n + j];
        // A pair and its mirror image pull alike.
        const float weight = pair_weight(shares, near == nullptr ? nullptr : near + at * n, j) *
                             (symmetric ? 2.0f : 1.0f);
        float total = 0;
        for (int l = L - 1; l >= 0; --l) {
            float* k = K + (l * T + i) * n + j;
            if (in_list) {
                const float lengths = r[l * B + at] * s[l * n + j];
                const float c = *k * lengths, difference = c - target;
                float a = fabsf(difference) > LIMIT ? weights[l] * weight : 0.0f;
                if (difference < 0) a = -a;
                pull[l * blockDim.x] += a * c;
                total += a * lengths;
            }
            *k = total;
        }
    }
    for (int l = 0; l < L; ++l)
        column_sums[(l * (size)gridDim.y + blockIdx.y) * n + j] = pull[l * blockDim.x];
}
