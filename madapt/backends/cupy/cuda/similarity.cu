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

// A of a pair; with `symmetric` that of its mirror image, too, which pulls alike.
struct PairSlope {
    const float *S, *weights, *shares;
    const unsigned char *pairs, *near;
    int diagonal, symmetric;
    size n;
    float target, weight;

    __device__ bool begins(size i, size j) {
        if (!counts(pairs == nullptr ? nullptr : pairs + i * n, j, diagonal ? i : -1)) return false;
        target = S[i * n + j];
        weight = pair_weight(shares, near == nullptr ? nullptr : near + i * n, j);
        if (symmetric) weight *= 2;
        return true;
    }

    __device__ float operator()(int l, float c) const {
        const float difference = c - target;
        const float a = fabsf(difference) > LIMIT ? weights[l] * weight : 0.0f;
        return difference < 0 ? -a : a;
    }
};

// As for pair_rows and slopes_by_column.
extern "C" __global__ void pair_columns(float* K, const float* S, const unsigned char* pairs,
                                        const unsigned char* near, const float* r, const float* s,
                                        const float* weights, const float* shares, int diagonal,
                                        int symmetric, int rows, int L, size T, size n, size B,
                                        size first, float* column_sums) {
    DYNAMIC_SHARED(float, room);
    const PairSlope slope = {S, weights, shares, pairs, near, diagonal, symmetric, n, 0, 0};
    slopes_by_column(K, r, s, rows, L, T, n, B, first, room, column_sums, slope);
}
