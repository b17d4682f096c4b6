// A user's C++17 program over dwconv.hpp: a causal layer with bias and SiLU against the reference, and an error caught.
#include <cmath>
#include <cstdio>
#include <dwconv/dwconv.hpp>
#include <vector>

int main() {
    const dwconv::problem problem("f32_nlc_n2_l50_c24_k4_m1_s1_d1_pl3_pr0_bias_silu");
    std::vector<float> x(2 * 50 * 24), w(4 * 24), bias(24), y(x.size()), wanted(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 16.0f - 0.5f;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 5) / 4.0f - 0.5f;
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i) / 24.0f;

    const dwconv::plan plan(problem);
    const dwconv::weights packed = plan.pack(w.data(), bias.data());
    plan.execute(x.data(), packed, y.data());
    dwconv::reference(problem, x.data(), w.data(), bias.data(), wanted.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (!(std::abs(y[i] - wanted[i]) <= 1e-5f)) {
            std::fprintf(stderr, "y[%zu] is %g, the reference says %g\n", i, y[i], wanted[i]);
            return 1;
        }
    }

    try {
        const dwconv::problem wrong("f32_nlc_n1_l8_c4_k0_m1_s1_d1_pl0_pr0_nobias_linear");
        wrong.validate();
    } catch (const dwconv::value_error &caught) {
        std::printf("%s, kernel %s; caught: %s\n", dwconv::version().c_str(), plan.describe().kernel.c_str(),
                    caught.what());
        return 0;
    }
    std::fprintf(stderr, "kernel_size 0 was accepted\n");
    return 1;
}
