// The best k of each row so far, and a tile of similarities merged into them.

#define MOST 1024
#define EACH (MOST / BLOCK)

// Whether similarity x of column i comes before y of column j: of equal ones the lower index.
__device__ bool before(float x, size i, float y, size j) { return x > y || (x == y && i < j); }

// The best similarity that comes after (last, at) in that order, and its column; all get both.
// flags (c), null for none: columns that are passed over have `aside`; own: another such column.
__device__ void next_best(const float* S, size c, const unsigned char* flags, int aside, size own,
                          float& last, size& at) {
    __shared__ float values[BLOCK];
    __shared__ size places[BLOCK];
    const int me = threadIdx.x;
    float best = -INFINITY;
    size place = -1;
    for (size j = me; j < c; j += BLOCK) {
        const float x = S[j];
        // A thread's own columns come in rising order: the first of equal ones stays.
        if (x > best && (at < 0 || before(last, at, x, j)) && j != own &&
            (flags == nullptr || flags[j] != aside)) {
            best = x;
            place = j;
        }
    }
    values[me] = best;
    places[me] = place;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (me < half && places[me + half] >= 0 &&
            (places[me] < 0 ||
             before(values[me + half], places[me + half], values[me], places[me]))) {
            values[me] = values[me + half];
            places[me] = places[me + half];
        }
        __syncthreads();
    }
    last = values[0];
    at = places[0];
    __syncthreads();
}

// Put an entry behind those that are as good or better; the last one falls off.
__device__ void insert(float* values, size* indices, int k, float x, size index) {
    float kept[EACH];
    size where[EACH];
    for (int e = 0; e < EACH; ++e) {
        const int slot = e * BLOCK + threadIdx.x;
        if (slot >= k) break;
        kept[e] = values[slot];
        where[e] = indices[slot];
    }
    const int last = k - 1;
    __syncthreads();
    for (int e = 0; e < EACH; ++e) {
        const int slot = e * BLOCK + threadIdx.x;
        if (slot >= k) break;
        if (where[e] >= 0 && kept[e] >= x) continue;
        if (slot < last) {
            values[slot + 1] = kept[e];
            indices[slot + 1] = where[e];
        }
    }
    __syncthreads();
    // The place between those that stayed and those that moved.
    for (int e = 0; e < EACH; ++e) {
        const int slot = e * BLOCK + threadIdx.x;
        if (slot >= k) break;
        const bool stayed = where[e] >= 0 && kept[e] >= x;
        if (stayed && slot < last && !(indices[slot + 1] >= 0 && values[slot + 1] >= x)) {
            values[slot + 1] = x;
            indices[slot + 1] = index;
        }
        if (slot == 0 && !stayed) {
            values[0] = x;
            indices[0] = index;
        }
    }
    __syncthreads();
}

// Merge a tile S (b, c) of similarities with columns start .. into the best k of each row, in
// order: (b, k) values and indices, -infinity and -1 where there are fewer. A block a row.
//
// Tiles come in rising order of columns. aside (c): columns to pass over, null for none;
// own: which column belongs to the first row itself and is passed over, below 0 for none.
extern "C" __global__ void merge_largest(const float* S, size c, size start,
                                         const unsigned char* aside, size own, int k,
                                         float* values, size* indices) {
    S += blockIdx.x * c;
    values += blockIdx.x * (size)k;
    indices += blockIdx.x * (size)k;
    own = own < 0 ? -1 : own + (size)blockIdx.x - start;
    float last = INFINITY;
    size at = -1;
    for (int found = 0; found < k; ++found) {
        next_best(S, c, aside, 1, own, last, at);
        // Whatever is in the list has a lower index: an equal one changes nothing.
        if (at < 0 || !(last > values[k - 1])) break;
        insert(values, indices, k, last, start + at);
    }
}

// Mark the k largest S_ij that count in each row; of equal ones the lower index wins.
extern "C" __global__ void mark_largest(const float* S, const unsigned char* pairs, size n,
                                        int diagonal, int k, unsigned char* marked) {
    const size i = blockIdx.x;
    S += i * n;
    if (pairs != nullptr) pairs += i * n;
    marked += i * n;
    for (size j = threadIdx.x; j < n; j += BLOCK) marked[j] = 0;
    float last = INFINITY;
    size at = -1;
    for (int found = 0; found < k; ++found) {
        next_best(S, n, pairs, 0, diagonal ? i : -1, last, at);
        if (at < 0) break;
        if (threadIdx.x == 0) marked[at] = 1;
    }
}
