// cpu_features_test FEATURE...: prints those that this CPU has, a line each, and "end".
#include "cpu_features.hpp"

#include <cstdio>

int main(int count, char **features) {
    for (int i = 1; i < count; ++i)
        if (dwc::cpu_has(features[i])) std::puts(features[i]);
    std::puts("end");
}
