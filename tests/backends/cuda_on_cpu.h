// CUDA kernels on one core: the threads of a block are fibres that take turns at the barriers.
//
// Blocks run one after another. The threads run in rising or, with run_backwards, in falling
// order from barrier to barrier, so that a barrier that is missing shows as another result.

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <vector>

struct Place {
    unsigned x, y, z;
};
static Place threadIdx, blockIdx, blockDim, gridDim;
static std::vector<double> shared_memory;
static int run_backwards = 0;

#define __global__
#define __device__ static
#define __shared__ static
#define DYNAMIC_SHARED(type, name) type* name = (type*)shared_memory.data()

static ucontext_t scheduler;
static std::vector<ucontext_t> fibres;
static std::vector<bool> finished;
static void (*thread_body)();

static void __syncthreads() {
    const unsigned me = threadIdx.x;
    swapcontext(&fibres[me], &scheduler);
    threadIdx.x = me;
}

static void whole_thread() {
    const unsigned me = threadIdx.x;
    thread_body();
    finished[me] = true;
}

static void run_block(unsigned threads) {
    static std::vector<std::vector<char>> stacks;
    while (stacks.size() < threads) stacks.emplace_back(65536);
    fibres.resize(threads);
    finished.assign(threads, false);
    // What nobody has written must not be zero by luck.
    memset(shared_memory.data(), 0xff, shared_memory.size() * sizeof(double));
    for (unsigned t = 0; t < threads; ++t) {
        getcontext(&fibres[t]);
        fibres[t].uc_stack.ss_sp = stacks[t].data();
        fibres[t].uc_stack.ss_size = stacks[t].size();
        fibres[t].uc_link = &scheduler;
        makecontext(&fibres[t], whole_thread, 0);
    }
    for (unsigned left = threads; left > 0;) {
        left = 0;
        for (unsigned turn = 0; turn < threads; ++turn) {
            const unsigned t = run_backwards ? threads - 1 - turn : turn;
            if (finished[t]) continue;
            threadIdx.x = t;
            swapcontext(&scheduler, &fibres[t]);
            left += !finished[t];
        }
    }
}

// Run a kernel, its arguments bound in `body`, on a grid.
static void run_grid(void (*body)(), unsigned x, unsigned y, unsigned threads, size_t shared) {
    thread_body = body;
    blockDim = {threads, 1, 1};
    gridDim = {x, y, 1};
    shared_memory.assign(shared / sizeof(double) + 1, 0.0);
    for (unsigned j = 0; j < y; ++j)
        for (unsigned i = 0; i < x; ++i) {
            blockIdx = {i, j, 0};
            run_block(threads);
        }
}
