// Kernels of the short-time Fourier transform. https://keras.io/api/layers/initializers/#stft-class (Keras 3.15).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

struct Stft {
    bool imaginary = false;
    std::optional<std::string> window = "hann";  // scipy.signal.get_window's name
    std::optional<std::vector<double>> values;   // the window itself, in place of a name
    std::string scaling = "density";             // "density", "spectrum", "" for none
    bool periodic = false;
};

// Throws value_error for a window that is not known, or that needs parameters.
void check_window(const std::string& name);

// Shape (frame length, 1, fft_length), of which fft_length - 1 is half the transform's length. Throws value_error for
// another rank, for several channels and for fft_length 1.
Tensor stft_kernel(const Stft& stft, const Shape& shape);

}  // namespace dwconv::keras::detail
