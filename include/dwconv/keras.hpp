// The layer of Keras 3 and R keras3, `DepthwiseConv1D` / `layer_depthwise_conv_1d()`, on compiled kernels: arguments,
// weights, forward pass, and the files that Keras keeps them in. Library `dwconv_keras`.
//
// Semantics: https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/ (Keras 3.15). Where Keras raises
// ValueError, the functions here throw dwconv::value_error with Keras' wording; a file that cannot be used is a
// value_error too (one sentence: file, what is wrong). What Keras can do and this version cannot is a dwconv::error
// with status DWC_ERROR_UNSUPPORTED.
#ifndef DWCONV_KERAS_HPP
#define DWCONV_KERAS_HPP

#include "dwconv/keras/functions.hpp"
#include "dwconv/keras/layer.hpp"
#include "dwconv/keras/model.hpp"
#include "dwconv/keras/sequential.hpp"
#include "dwconv/keras/tensor.hpp"

#endif
