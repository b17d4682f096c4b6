// One plot a run and number of threads: speed over arithmetic intensity, under the roofs that were measured in that
// run.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numbers>

#include "report_page.hpp"

namespace cli::report {
namespace {

constexpr double kWidth = 420, kHeight = 300, kLeft = 46, kRight = 12, kTop = 12, kBottom = 40;

std::string put(const char *pattern, double a, double b = 0, double c = 0, double d = 0) {
    char text[200];
    std::snprintf(text, sizeof text, pattern, a, b, c, d);
    return text;
}

struct Axes {
    double x0, x1, y0, y1;  // log2
    double x(double intensity) const {
        return kLeft + (std::log2(intensity) - x0) / (x1 - x0) * (kWidth - kLeft - kRight);
    }
    double y(double gflops) const {
        return kHeight - kBottom - (std::log2(gflops) - y0) / (y1 - y0) * (kHeight - kTop - kBottom);
    }
};

struct Roof {
    std::string level;
    double gbs;
};

std::string number_of(double power) {
    const double value = std::exp2(power);
    char text[40];
    std::snprintf(text, sizeof text, value < 1 ? "%.3g" : "%.0f", value);
    return text;
}

std::string grid(const Axes &axes) {
    std::string out;
    const double x_step = std::max(1.0, std::ceil((axes.x1 - axes.x0) / 7));
    for (double p = std::ceil(axes.x0); p <= axes.x1; p += x_step) {
        const double x = axes.x(std::exp2(p));
        out += put("<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x, kTop, x,
                   kHeight - kBottom);
        out += put("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, kHeight - kBottom + 14) + number_of(p) +
               "</text>\n";
    }
    const double y_step = std::max(1.0, std::ceil((axes.y1 - axes.y0) / 7));
    for (double p = std::ceil(axes.y0); p <= axes.y1; p += y_step) {
        const double y = axes.y(std::exp2(p));
        out +=
            put("<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kLeft, y, kWidth - kRight, y);
        out += put("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", kLeft - 5, y + 4) + number_of(p) + "</text>\n";
    }
    out += put("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">flops a byte</text>\n",
               (kLeft + kWidth - kRight) / 2, kHeight - 6);
    out += put("<text transform=\"translate(12 %.1f) rotate(-90)\" text-anchor=\"middle\">GF/s</text>\n",
               (kTop + kHeight - kBottom) / 2);
    return out;
}

// Slopes of the levels from the left edge to the peak, their names along them; slopes that nearly touch share one.
std::string roofs_of(const Axes &axes, std::vector<Roof> roofs, double peak) {
    std::sort(roofs.begin(), roofs.end(), [](const Roof &a, const Roof &b) { return a.gbs < b.gbs; });
    std::string out, name;
    const double left = std::exp2(axes.x0), right = std::exp2(axes.x1);
    for (size_t i = 0; i < roofs.size(); ++i) {
        const Roof &roof = roofs[i];
        const double lowest = std::max(left, std::exp2(axes.y0) / roof.gbs);
        const double ridge = std::min(right, peak / roof.gbs);
        if (ridge <= lowest) continue;
        const double x0 = axes.x(lowest), y0 = axes.y(lowest * roof.gbs);
        const double x1 = axes.x(ridge), y1 = axes.y(ridge * roof.gbs);
        out += put("<line class=\"roof\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x0, y0, x1, y1);
        name += (name.empty() ? "" : ", ") + escaped(roof.level) + " " + digits(roof.gbs);
        if (i + 1 < roofs.size() && axes.y(roof.gbs) - axes.y(roofs[i + 1].gbs) < 20) continue;
        out +=
            put("<text class=\"name\" transform=\"translate(%.1f %.1f) rotate(%.1f)\" dy=\"-4\">",
                x0 + 0.04 * (x1 - x0), y0 + 0.04 * (y1 - y0), std::atan2(y1 - y0, x1 - x0) * 180 / std::numbers::pi) +
            name + " GB/s</text>\n";
        name.clear();
    }
    const double from = roofs.empty() ? left : std::max(left, peak / roofs.back().gbs);
    out += put("<line class=\"roof\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", axes.x(std::min(from, right)),
               axes.y(peak), axes.x(right), axes.y(peak));
    out +=
        put("<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", kWidth - kRight - 2, axes.y(peak) - 5) +
        "multiply-add " + digits(peak) + " GF/s</text>\n";
    return out;
}

std::string points(const Axes &axes, const std::vector<const Row *> &rows) {
    std::string out;
    for (const Row *row : rows) {
        const double x = axes.x(row->intensity()), y = axes.y(row->gflops());
        const std::string title = "<title>" + escaped(row->problem) + ": " + digits(row->gflops()) + " GF/s, " +
                                  digits(row->us_median) + " us, " + percent(row->share_of_roof()) +
                                  " of its roof</title>";
        if (row->layout == "nlc")
            out += put("<circle class=\"nlc\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">", x, y) + title + "</circle>\n";
        else
            out += put("<rect class=\"ncl\" x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\">", x - 3.5, y - 3.5) +
                   title + "</rect>\n";
    }
    return out;
}

std::string plot(const Run &run, int threads, const std::vector<const Row *> &rows) {
    std::map<std::string, double> levels;
    double peak = 0;
    Axes axes{1e9, -1e9, 1e9, -1e9};
    for (const Row *row : rows) {
        levels[row->level] = std::max(levels[row->level], row->copy_gbs);
        peak = std::max(peak, row->fma_gflops);
        axes.x0 = std::min(axes.x0, std::log2(row->intensity()) - 1);
        axes.x1 = std::max(axes.x1, std::log2(row->intensity()) + 1);
        axes.y0 = std::min(axes.y0, std::log2(row->gflops()) - 1);
        axes.y1 = std::max(axes.y1, std::log2(row->gflops()) + 0.5);
    }
    std::vector<Roof> roofs;
    for (const auto &[level, gbs] : levels) {
        roofs.push_back({level, gbs});
        axes.x0 = std::min(axes.x0, std::log2(peak / gbs) - 1);
        axes.x1 = std::max(axes.x1, std::log2(peak / gbs) + 0.7);
    }
    axes.y1 = std::max(axes.y1, std::log2(peak) + 0.6);
    const std::string name =
        run.name + "  " + run.machine() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    return "<figure>\n<figcaption>" + escaped(name) + "</figcaption>\n" +
           put("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" ", kWidth, kHeight) + "aria-label=\"Roofline of run " +
           escaped(name) + "\">\n" + grid(axes) + roofs_of(axes, std::move(roofs), peak) + points(axes, rows) +
           "</svg>\n</figure>\n";
}

}  // namespace

std::string roofline_section(const std::vector<Run> &runs) {
    std::string plots;
    for (const Run *run : real_runs(runs)) {
        std::map<int, std::vector<const Row *>> by_threads;
        for (const Row &row : run->rows)
            if (row.ours && row.copy_gbs > 0 && row.fma_gflops > 0 && row.flops > 0 && row.us_median > 0)
                by_threads[row.threads].push_back(&row);
        for (const auto &[threads, rows] : by_threads) plots += plot(*run, threads, rows);
    }
    if (plots.empty()) plots = "<p>No record tells the roofs of its machine.</p>\n";
    return "<div class=\"plots\">\n" + plots + "</div>\n";
}

}  // namespace cli::report
