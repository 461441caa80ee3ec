// Adam's elementwise passes in one.

// mean and square move towards g and g^2; out = mean / (sqrt(square) + epsilon), unbiased.
extern "C" __global__ void adam(const float* gradient, float* mean, float* square, size n,
                                float beta1, float rest1, float unbias1, float beta2, float rest2,
                                float unbias2, float epsilon, float largest, float* out) {
    const size i = (size)blockIdx.x * BLOCK + threadIdx.x;
    if (i >= n) return;
    float g = gradient[i];
    g = g > largest ? largest : g;
    g = g < -largest ? -largest : g;
    const float m = beta1 * mean[i] + rest1 * g;
    const float v = beta2 * square[i] + rest2 * (g * g);
    mean[i] = m;
    square[i] = v;
    out[i] = (m * unbias1) / (sqrtf(v * unbias2) + epsilon);
}
