// Windows: Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66
// (1978), and Heinzel, Ruediger, Schilling (2002) for the flat top; names as in scipy.signal.get_window.
#include "stft.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

using std::numbers::pi;

// All windows below are functions of u = n / (points - 1), between 0 and 1.
double cosine_sum(std::initializer_list<double> coefficients, double u) {
    double value = 0;
    int k = 0;
    for (const double coefficient : coefficients) value += coefficient * std::cos(2 * pi * k++ * (u - 0.5));
    return value;
}

double boxcar(double) { return 1; }
double hann(double u) { return cosine_sum({0.5, 0.5}, u); }
double hamming(double u) { return cosine_sum({0.54, 0.46}, u); }
double blackman(double u) { return cosine_sum({0.42, 0.50, 0.08}, u); }
double nuttall(double u) { return cosine_sum({0.3635819, 0.4891775, 0.1365995, 0.0106411}, u); }
double blackmanharris(double u) { return cosine_sum({0.35875, 0.48829, 0.14128, 0.01168}, u); }
double flattop(double u) { return cosine_sum({0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368}, u); }
double bartlett(double u) { return 1 - std::fabs(2 * u - 1); }
double barthann(double u) {
    const double x = std::fabs(u - 0.5);
    return 0.62 - 0.48 * x + 0.38 * std::cos(2 * pi * x);
}
double bohman(double u) {
    const double x = std::fabs(2 * u - 1);
    return x >= 1 ? 0 : (1 - x) * std::cos(pi * x) + std::sin(pi * x) / pi;
}
double lanczos(double u) {
    const double x = pi * (2 * u - 1);
    return x == 0 ? 1 : std::sin(x) / x;
}
double tukey(double u) {
    const double x = std::min(u, 1 - u);  // tapered over a quarter on each side
    return x < 0.25 ? 0.5 * (1 + std::cos(pi * (4 * x - 1))) : 1;
}

struct Window {
    double (*at)(double u);
    std::initializer_list<const char*> names;
};
const Window kWindows[] = {
    {boxcar, {"boxcar", "box", "ones", "rect", "rectangular"}},
    {hann, {"hann", "hanning", "han"}},
    {hamming, {"hamming", "hamm", "ham"}},
    {blackman, {"blackman", "black", "blk"}},
    {nuttall, {"nuttall", "nutl", "nut"}},
    {blackmanharris, {"blackmanharris", "blackharr", "bkh"}},
    {flattop, {"flattop", "flat", "flt"}},
    {bartlett, {"bartlett", "bart", "brt"}},
    {barthann, {"barthann", "brthan", "bth"}},
    {bohman, {"bohman", "bman", "bmn"}},
    {lanczos, {"lanczos", "sinc"}},
    {tukey, {"tukey", "tuk"}},
};

const Window* find_window(const std::string& name) {
    for (const Window& window : kWindows) {
        for (const char* known : window.names) {
            if (name == known) return &window;
        }
    }
    return nullptr;
}

std::vector<double> window_values(const Stft& stft, std::int64_t length) {
    if (stft.values) {
        if (static_cast<std::int64_t>(stft.values->size()) != length) {
            fail_value("The shape of `window` must be equal to [frame_length].Received: window shape=(" +
                       std::to_string(stft.values->size()) + ",)");
        }
        return *stft.values;
    }
    std::vector<double> values(length, 1.0);
    const double last = static_cast<double>(length - (stft.periodic ? 0 : 1));
    const Window* window = find_window(*stft.window);
    for (std::int64_t n = 0; n < length && length > 1; ++n) values[n] = window->at(static_cast<double>(n) / last);
    return values;
}

double scaling_of(const std::string& scaling, const std::vector<double>& window) {
    double squares = 0, absolutes = 0;
    for (const double value : window) {
        squares += value * value;
        absolutes += std::fabs(value);
    }
    return scaling == "density" ? std::sqrt(squares) : scaling == "spectrum" ? absolutes : 1;
}

}  // namespace

void check_window(const std::string& name) {
    if (!find_window(name)) fail_value("STFT: window=" + printable(name) + ": Unknown window type.");
}

Tensor stft_kernel(const Stft& stft, const Shape& shape) {
    if (shape.size() != 3) {
        fail_value(shape.size() < 3 ? "STFT: not enough values to unpack (expected 3, got " +
                                          std::to_string(shape.size()) + "): shape=" + to_string(shape)
                                    : "STFT: too many values to unpack (expected 3): shape=" + to_string(shape));
    }
    if (shape[1] != 1) {
        fail_value("STFT makes kernels for one input channel. Received: shape=" + to_string(shape));
    }
    if (shape[2] == 1) {
        fail_value("STFT: the transform's length, 2 * (1 - 1), is zero. Received: shape=" + to_string(shape));
    }
    Tensor kernel{shape, std::vector<float>(static_cast<size_t>(element_count(shape)))};
    if (kernel.data.empty()) return kernel;
    const std::int64_t frame = shape[0], bins = shape[2], transform = (bins - 1) * 2;
    std::vector<double> window(frame, 1.0);
    if (stft.window || stft.values) {
        window = window_values(stft, frame);
        const double scaling = scaling_of(stft.scaling, window);
        for (double& value : window) value /= scaling;
    }
    for (std::int64_t t = 0; t < frame; ++t) {
        for (std::int64_t f = 0; f < bins; ++f) {
            // Whole turns are taken off exactly, as integers.
            const auto turn = static_cast<std::int64_t>(static_cast<unsigned __int128>(t) * f % transform);
            const double angle = -2 * pi * static_cast<double>(turn) / static_cast<double>(transform);
            const double wave = stft.imaginary ? std::sin(angle) : std::cos(angle);
            kernel.data[t * bins + f] = static_cast<float>(wave * window[t]);
        }
    }
    return kernel;
}

}  // namespace dwconv::keras::detail
