// CUDA kernels on one core: the threads of a block are fibres that take turns at the barriers.
//
// Blocks run one after another. The threads run in rising or, with run_backwards, in falling
// order from barrier to barrier, so that a barrier that is missing shows as another result.

#include <math.h>
#include <setjmp.h>
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
#define __device__
#define __shared__ static
#define DYNAMIC_SHARED(type, name) type* name = (type*)shared_memory.data()

// A fibre is entered by its context once; from then on jumps are enough, which call no kernel of
// the operating system and are ten times faster.
struct Fibre {
    ucontext_t context;
    jmp_buf jump;
    std::vector<char> stack;
    bool started, finished;
};
static std::vector<Fibre> fibres;
static jmp_buf scheduler;
static void (*thread_body)();
static unsigned threads, turn, left;

static void __syncthreads() {
    const unsigned me = threadIdx.x;
    if (!_setjmp(fibres[me].jump)) _longjmp(scheduler, 1);
    threadIdx.x = me;
}

static void whole_thread() {
    const unsigned me = threadIdx.x;
    thread_body();
    fibres[me].finished = true;
    _longjmp(scheduler, 1);
}

static void start(Fibre& fibre) {
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = fibre.stack.size();
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, whole_thread, 0);
    fibre.started = true;
    setcontext(&fibre.context);
}

static void run_block() {
    while (fibres.size() < threads) {
        fibres.emplace_back();
        fibres.back().stack.resize(65536);
    }
    for (unsigned t = 0; t < threads; ++t) fibres[t].started = fibres[t].finished = false;
    // What nobody has written must not be zero by luck.
    memset(shared_memory.data(), 0xff, shared_memory.size() * sizeof(double));
    for (left = threads; left > 0;) {
        left = 0;
        for (turn = 0; turn < threads; ++turn) {
            threadIdx.x = run_backwards ? threads - 1 - turn : turn;
            if (fibres[threadIdx.x].finished) continue;
            if (!_setjmp(scheduler)) {
                Fibre& fibre = fibres[threadIdx.x];
                if (fibre.started) _longjmp(fibre.jump, 1);
                start(fibre);
            }
            left += !fibres[run_backwards ? threads - 1 - turn : turn].finished;
        }
    }
}

// Run a kernel, its arguments bound in `body`, on a grid.
static void run_grid(void (*body)(), unsigned x, unsigned y, unsigned block, size_t shared) {
    thread_body = body;
    threads = block;
    blockDim = {threads, 1, 1};
    gridDim = {x, y, 1};
    shared_memory.assign(shared / sizeof(double) + 1, 0.0);
    for (unsigned j = 0; j < y; ++j)
        for (unsigned i = 0; i < x; ++i) {
            blockIdx = {i, j, 0};
            run_block();
        }
}
