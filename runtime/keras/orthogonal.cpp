// Golub, Van Loan, "Matrix Computations", 5.1 and 5.2.
#include "orthogonal.hpp"

#include <cmath>

namespace dwconv::keras::detail {
namespace {

// x -= (2 v v^T / v^T v) x, over n elements; `scale` is 2 / v^T v.
void reflect(const double* v, double scale, double* x, std::int64_t n) {
    double dot = 0;
    for (std::int64_t i = 0; i < n; ++i) dot += v[i] * x[i];
    dot *= scale;
    for (std::int64_t i = 0; i < n; ++i) x[i] -= dot * v[i];
}

}  // namespace

std::vector<double> orthonormal_columns(std::vector<double> a, std::int64_t rows, std::int64_t columns) {
    // Below the diagonal a keeps the reflections' vectors; R itself is not needed but for its signs.
    std::vector<double> scale(columns), sign(columns);
    for (std::int64_t k = 0; k < columns; ++k) {
        double* v = a.data() + k * rows + k;
        const std::int64_t n = rows - k;
        double square = 0;
        for (std::int64_t i = 0; i < n; ++i) square += v[i] * v[i];
        const double norm = std::sqrt(square);
        // The reflection turns the column into target * e0, with the sign that avoids cancellation; R has the target on
        // its diagonal.
        sign[k] = v[0] < 0 ? 1 : -1;
        const double target = sign[k] * norm;
        const double length = 2 * (square - target * v[0]);  // v^T v for v = column - target * e0
        v[0] -= target;
        scale[k] = length > 0 ? 2 / length : 0;
        for (std::int64_t j = k + 1; j < columns; ++j) reflect(v, scale[k], a.data() + j * rows + k, n);
    }
    std::vector<double> q(a.size());
    for (std::int64_t j = 0; j < columns; ++j) {
        double* column = q.data() + j * rows;
        column[j] = sign[j];
        for (std::int64_t k = j; k >= 0; --k) {
            reflect(a.data() + k * rows + k, scale[k], column + k, rows - k);
        }
    }
    return q;
}

}  // namespace dwconv::keras::detail
