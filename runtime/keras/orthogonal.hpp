// A random matrix with orthonormal columns.
#pragma once

#include <cstdint>
#include <vector>

namespace dwconv::keras::detail {

// Q of the decomposition A = Q R in which R has a positive diagonal. A: rows x columns, column by column, rows >=
// columns; Q likewise. By Householder reflections in double; the same bits on every platform (compiled without
// contraction, as random.cpp is).
std::vector<double> orthonormal_columns(std::vector<double> a, std::int64_t rows, std::int64_t columns);

}  // namespace dwconv::keras::detail
