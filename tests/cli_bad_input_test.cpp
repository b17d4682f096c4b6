// Bad input to `dwconv run`: refused with exit code 2 and one sentence that names the file or field, or computed as the
// formula says; the output folder is as before whenever the command fails.
#include "cli_bad_input.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace dwc_test;

TEST_F(CliBadInput, GoodInputIsComputed) {
    expect_computed(Layer(), x_);
    EXPECT_FALSE(output_of(kModel + " --expect my.npy").empty());
    expect_computed({.same = true, .channels_first = true, .activation = "silu"}, some_array({2, 5, 9}, 4));
    // An output of before is replaced only by success.
    EXPECT_EQ(run_here("run " + kLayer + " --y old.npy").exit_code, 0);
    EXPECT_NE(contents(work_ / "old.npy"), "an output of before");
}

TEST(CliBadInputChecker, Bites) {
    const Snapshot files = {{"a", "1"}};
    const auto fault = [&](int code, const std::string &out, const std::string &err, const Snapshot &after) {
        return failure_fault({code, out, err}, 2, "x.npy", files, after);
    };
    EXPECT_EQ(fault(2, "", "dwconv: x.npy: bad\n", files), "");
    EXPECT_NE(fault(1, "", "dwconv: x.npy: bad\n", files), "");
    EXPECT_NE(fault(2, "problem", "dwconv: x.npy: bad\n", files), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: bad\nmore\n", files), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: bad", files), "");
    EXPECT_NE(fault(2, "", "", files), "");
    EXPECT_NE(fault(2, "", "x.npy: bad\n", files), "");
    EXPECT_NE(fault(2, "", "dwconv: bad\n", files), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: terminate called\n", files), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: bad\n", {}), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: bad\n", {{"a", "2"}}), "");
    EXPECT_NE(fault(2, "", "dwconv: x.npy: bad\n", {{"a", "1"}, {"y.tmp", ""}}), "");
    const Array two = {{2}, {1, NAN}};
    EXPECT_EQ(difference(npy(two), two), "");
    EXPECT_NE(difference(npy(Array{{2}, {1, 2}}), two), "");
    EXPECT_NE(difference(npy(Array{{2}, {NAN, NAN}}), two), "");
    EXPECT_NE(difference(npy(Array{{2}, {1.001F, NAN}}), two), "");
    EXPECT_NE(difference(npy(Array{{1, 2}, {1, NAN}}), two), "");
}

TEST_F(CliBadInput, WrongRankIsRefused) {
    for (const std::vector<int64_t> &shape : {std::vector<int64_t>{}, {5}, {9, 5}, {1, 2, 9, 5}}) {
        SCOPED_TRACE(shape.size());
        put("x.npy", npy(some_array(shape, 1)));
        expect_refused(kLayer, "x.npy");
        expect_refused("--model m.keras --x x.npy", "x.npy");
    }
    for (const std::vector<int64_t> &shape : {std::vector<int64_t>{30}, {3, 10}, {1, 3, 5, 2}}) {
        put("x.npy", npy(x_));
        put("k.npy", npy(some_array(shape, 1)));
        expect_refused(kLayer, "kernel");
    }
}

TEST_F(CliBadInput, WrongChannelCountIsRefused) {
    for (const int64_t channels : {0, 1, 4, 6, 10}) {
        put("x.npy", npy(some_array({2, 9, channels}, 1)));
        expect_refused(kLayer, "x.npy");
    }
    put("layer.json", Layer{.channels_first = true}.json());
    put("x.npy", npy(x_));  // 9 channels now
    expect_refused(kLayer, "x.npy");
    put("layer.json", Layer().json());
    put("b.npy", npy(some_array({5}, 1)));
    expect_refused(kLayer, "bias");
}

TEST_F(CliBadInput, ZeroOrNegativeOutputLengthIsRefused) {
    for (const int64_t length : {0, 1, 2}) {
        put("x.npy", npy(some_array({2, length, 5}, 1)));
        expect_refused(kLayer, "x.npy");
    }
    put("layer.json", Layer{.dilation = 3}.json());
    for (const int64_t length : {2, 5, 6}) {
        put("x.npy", npy(some_array({2, length, 5}, 1)));
        expect_refused(kLayer, "x.npy");
    }
    expect_computed({.dilation = 3}, some_array({2, 7, 5}, 1));
}

TEST_F(CliBadInput, MissingFilesAreNamed) {
    expect_refused("--config layer.json --kernel k.npy --bias b.npy --x missing", "missing");
    expect_refused("--config missing --kernel k.npy --bias b.npy --x x.npy", "missing");
    expect_refused("--config layer.json --kernel missing --bias b.npy --x x.npy", "missing");
    expect_refused("--config layer.json --kernel k.npy --bias missing --x x.npy", "missing");
    expect_refused("--model missing --x mx.npy", "missing");
    expect_refused(kLayer + " --expect missing", "missing");
    expect_refused("--config layer.json --kernel k.npy --x x.npy", "use_bias");  // no bias at all
    expect_refused("--config layer.json --bias b.npy --x x.npy", "--kernel");
    expect_refused(kModel + " --layer nobody", "nobody");
    // A line break in a name makes no second line.
    expect_refused("--config layer.json --kernel k.npy --bias b.npy --x 'two\nlines'", "lines");
    put("two\nlines", npy(some_array({9, 5}, 1)));
    expect_refused("--config layer.json --kernel k.npy --bias b.npy --x 'two\nlines'", "lines");
}

TEST_F(CliBadInput, DirectoriesInPlaceOfFilesAreNamed) {
    expect_refused("--config layer.json --kernel k.npy --bias b.npy --x folder", "folder");
    expect_refused("--config folder --kernel k.npy --bias b.npy --x x.npy", "folder");
    expect_refused("--config layer.json --kernel folder --bias b.npy --x x.npy", "folder");
    expect_refused("--config layer.json --kernel k.npy --bias folder --x x.npy", "folder");
    expect_refused("--model folder --x mx.npy", "folder");
    expect_refused(kLayer + " --expect folder", "folder");
}

TEST_F(CliBadInput, TruncatedModelsAreRefused) {
    const std::string whole = contents(work_ / "m.keras");
    ASSERT_GT(whole.size(), 1000u);
    std::vector<size_t> lengths = {0, 1, 2, 3, 4, 5, 29, 30, 31};
    for (size_t i = 1; i < 32; ++i) lengths.push_back(whole.size() * i / 32);
    for (const size_t missing : {100, 50, 23, 22, 21, 10, 2, 1}) lengths.push_back(whole.size() - missing);
    for (const size_t length : lengths) {
        SCOPED_TRACE(length);
        put("m.keras", whole.substr(0, length));
        expect_refused(kModel, "m.keras");
    }
}

TEST_F(CliBadInput, FilesOfOtherKindsAreRefused) {
    const std::string archive = contents(work_ / "m.keras");
    for (const std::string &bytes : {std::string(), std::string("1.0 2.0 3.0\n"), std::string(5000, '\0'), archive,
                                     std::string("\x93NUMPX\x01\x00", 8), std::string("\x89PNG\r\n\x1a\n", 8)}) {
        for (const std::string name : {"x.npy", "k.npy", "b.npy"}) {
            const std::string good = contents(work_ / name);
            put(name, bytes);
            expect_refused(kLayer, name);
            put(name, good);
        }
    }
    for (const std::string &bytes : {npy(x_), std::string("{\"kernel_size\": 3}"), std::string(5000, 'P'),
                                     std::string("\x89HDF\r\n\x1a\n", 8) + std::string(100, '\0')}) {
        put("m.keras", bytes);
        expect_refused(kModel, "m.keras");
    }
}

TEST_F(CliBadInput, TruncatedAndOverlongArraysAreRefused) {
    for (const std::string name : {"x.npy", "k.npy", "b.npy"}) {
        const std::string whole = contents(work_ / name);
        for (size_t length = 0; length < whole.size(); length += length < 16 || length + 6 > whole.size() ? 1 : 41) {
            SCOPED_TRACE(name + " cut to " + std::to_string(length));
            put(name, whole.substr(0, length));
            expect_refused(kLayer, name);
        }
        put(name, whole + "more");
        expect_refused(kLayer, name);
        put(name, whole);
    }
}

TEST_F(CliBadInput, OtherFloatsAndOrdersAreConverted) {
    const std::string expected = output_of(kLayer);
    ASSERT_EQ(difference(expected, formula(Layer(), x_, k_, b_)), "");
    EXPECT_EQ(said_.find("note"), std::string::npos) << said_;
    const std::map<std::string, Array> arrays = {{"x.npy", x_}, {"k.npy", k_}, {"b.npy", b_}};
    for (const std::string descr : {"<f8", "<f2", ">f4", ">f8", ">f2", "<f4"}) {
        for (const bool fortran : {false, true}) {
            for (const auto &[name, array] : arrays) {
                SCOPED_TRACE(name + " as " + descr + (fortran ? " in Fortran order" : ""));
                put(name, npy(array, descr, fortran));
                EXPECT_EQ(output_of(kLayer), expected);
                const bool converted = descr != "<f4" || fortran;
                EXPECT_EQ(said_.find(name + ": ") != std::string::npos, converted) << said_;
                put(name, npy(array));
            }
        }
    }
}

TEST_F(CliBadInput, OtherTypesAreRefused) {
    for (const std::string descr : {"<i4", ">i4", "<i8", "<u4", "|i1", "|b1", "<c8", "<c16", "|O", "<U1", "|S4", "|V4",
                                    "<f16", "<M8[ns]", "frob", ""}) {
        SCOPED_TRACE(descr);
        for (const auto &[name, array] : {std::pair{"x.npy", x_}, {"k.npy", k_}, {"b.npy", b_}}) {
            put(name, npy_file("'" + descr + "'", "False", shape_text(array.shape),
                               std::string(array.values.size() * 4, '\0')));
            expect_refused(kLayer, name);
            put(name, npy(array));
        }
    }
    put("x.npy", npy_file("[('a', '<f4')]", "False", "(2, 9, 5)", std::string(360, '\0')));
    expect_refused(kLayer, "x.npy");
}

TEST_F(CliBadInput, AbsurdSizesInArraysAreRefused) {
    for (const std::string shape :
         {"(2, 1000000000000000, 5)", "(1000000000000000000, 9, 5)", "(9223372036854775807, 9223372036854775807, 5)",
          "(4294967296, 4294967296, 5)", "(100000000000000000000000, 9, 5)", "(0, 4611686018427387904, 5)",
          "(-2, -9, 5)", "(2, 9, -5)", "(2.0, 9, 5)", "(2, 9, 5", "2",
          "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
          "1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 9, 5)"}) {
        SCOPED_TRACE(shape);
        for (const auto &[name, array] : {std::pair{"x.npy", x_}, {"k.npy", k_}, {"b.npy", b_}}) {
            put(name, npy_file("'<f4'", "False", shape, std::string(array.values.size() * 4, '\0')));
            expect_refused(kLayer, name);
            put(name, npy(array));
        }
    }
    std::string bytes = npy(x_);
    bytes[8] = bytes[9] = '\xff';  // a header longer than the file
    put("x.npy", bytes);
    expect_refused(kLayer, "x.npy");
    bytes[6] = '\x02';  // and one of nearly 4 GiB, in version 2
    bytes[10] = bytes[11] = '\xff';
    put("x.npy", bytes);
    expect_refused(kLayer, "x.npy");
}

TEST_F(CliBadInput, AbsurdSizesInConfigsAreRefusedOrComputed) {
    const auto with = [](const std::string &key, const std::string &value) {
        return "{\"kernel_size\": 3, \"depth_multiplier\": 2, \"" + key + "\": " + value + "}";
    };
    expect_config_refused("{\"depth_multiplier\": 2, \"kernel_size\": 1000000000000000}", "kernel_size");
    expect_config_refused("{\"kernel_size\": 3, \"depth_multiplier\": 1000000000000}", "depth_multiplier");
    expect_config_refused(with("dilation_rate", "1000000000000000000"), "dilation_rate");
    expect_config_refused(with("dilation_rate", "9223372036854775807"), "dilation_rate");
    expect_config_refused("{\"kernel_size\": 9223372036854775807, \"depth_multiplier\": 9223372036854775807}",
                          "kernel_size");
    for (const std::string key : {"strides", "dilation_rate"}) {
        for (const std::string value : {"0", "-1", "-1000000000000000000", "9223372036854775808", "1e18", "1e400",
                                        "1.5", "\"3\"", "null", "[1, 1]", "[[1]]", "{}"}) {
            expect_config_refused(with(key, value), value == "1e400" ? "layer.json" : key);
        }
    }
    for (const std::string key : {"kernel_size", "depth_multiplier"}) {
        const std::string other = key == "kernel_size" ? "depth_multiplier" : "kernel_size";
        for (const std::string value : {"0", "-1", "9223372036854775808", "1e18", "1.5", "null", "[3, 3]"}) {
            expect_config_refused("{\"" + other + "\": 3, \"" + key + "\": " + value + "}", key);
        }
    }
    // Valid, however large: one step of output.
    expect_computed({.stride = 1000000000000000000}, x_);
    expect_computed({.stride = 1000000000000000000, .same = true}, x_);
    expect_computed({.stride = 9223372036854775807}, x_);
    // The outer taps lie beyond both ends: the middle one alone.
    expect_computed({.dilation = 1000000000000000000, .same = true}, x_);
    expect_config_refused(Layer{.dilation = 4611686018427387904, .same = true}.json(), "dilation");
    expect_config_refused(Layer{.dilation = 9223372036854775807, .same = true}.json(), "dilation");
}

TEST_F(CliBadInput, NaNGoesWhereTheFormulaSendsIt) {
    for (const std::string activation : {"linear", "relu", "silu", "tanh"}) {
        for (const bool first : {false, true}) {
            for (const auto &[stride, dilation, same] :
                 {std::tuple{1, 1, false}, {1, 1, true}, {2, 1, true}, {3, 1, false}, {1, 2, true}, {1, 3, false}}) {
                const std::vector<int64_t> shape =
                    first ? std::vector<int64_t>{2, 5, 41} : std::vector<int64_t>{2, 41, 5};
                Array x = some_array(shape, 7);
                // Both ends of a row, its middle, and an infinity beside them.
                for (const size_t i : {size_t{0}, size_t{204}, size_t{205}, size_t{300}, size_t{409}})
                    x.values[i] = NAN;
                x.values[100] = INFINITY;
                expect_computed({stride, dilation, same, first, activation}, x);
            }
        }
    }
}

TEST_F(CliBadInput, StridesWithDilationNeedTheFlag) {
    const Layer layer{.stride = 2, .dilation = 3};
    for (const std::string &config : {layer.json(), layer.json(", \"allow_stride_with_dilation\": false")}) {
        expect_config_refused(config, "strides=(2,)");
        expect_config_refused(config, "dilation_rate=(3,)");
    }
    expect_config_refused(layer.json(", \"allow_stride_with_dilation\": 1"), "allow_stride_with_dilation");
    const std::string flag = ", \"allow_stride_with_dilation\": true";
    for (const bool same : {false, true}) {
        expect_computed({.stride = 2, .dilation = 3, .same = same}, x_, flag);
        expect_computed({2, 2, same, true, "relu"}, some_array({2, 5, 40}, 5), flag);
        expect_computed({3, 2, same, false, "relu"}, some_array({2, 40, 5}, 6), flag);
    }
}

TEST_F(CliBadInput, MalformedConfigsAreRefused) {
    for (const std::string &config :
         {std::string(), std::string("{"), std::string("{\"kernel_size\": 3,}"), std::string("{'kernel_size': 3}"),
          std::string("{\"kernel_size\": 3} {}"), std::string("{\"kernel_size\" 3}"), std::string("\xff\xfe{}"),
          std::string("{\"kernel_size\": NaN}"), std::string(100, '\0'), std::string(100000, '['),
          std::string(100000, '[') + std::string(100000, ']'), std::string("[]"), std::string("null"), std::string("3"),
          std::string("\"kernel_size\""), std::string("{}"), std::string("{\"class_name\": \"Dense\", \"config\": {}}"),
          std::string("{\"class_name\": \"DepthwiseConv1D\", \"config\": []}"), npy(x_)}) {
        expect_config_refused(config, "layer.json");
    }
}

TEST_F(CliBadInput, UnknownWordsInConfigsAreNamed) {
    expect_config_refused(Layer().json(", \"kernel_sise\": 3"), "kernel_sise");
    expect_config_refused(Layer().json(", \"\": 3"), "layer.json");
    expect_config_refused(Layer().json(", \"line\\nbreak\": {\"a\\nb\": [1]}"), "layer.json");
    expect_config_refused("{\"kernel_size\": 3, \"padding\": \"causal\"}", "padding");
    expect_config_refused("{\"kernel_size\": 3, \"data_format\": \"nlc\"}", "data_format");
    const auto with = [](const std::string &activation) {
        return "{\"kernel_size\": 3, \"depth_multiplier\": 2, \"activation\": " + activation + "}";
    };
    for (const std::string activation : {"\"frob\"", "\"Relu\"", "\"\"", "3", "[\"relu\"]", "\"re\\nlu\"", "{}",
                                         "{\"class_name\": \"relu\", \"config\": {\"frob\": 1}}"}) {
        expect_config_refused(with(activation), "layer.json");
    }
    // Keras knows this one, this version does not: no fault of the input.
    put("layer.json", with("{\"class_name\": \"PReLU\", \"config\": {}}"));
    expect_failure("run " + kLayer + " --y y.npy", "activation", 1);
    put("layer.json", Layer{.activation = "frob"}.json());
    expect_refused(kLayer, "frob");
}

TEST_F(CliBadInput, OutputsThatCannotBeWrittenAreNamed) {
    expect_failure("run " + kLayer + " --y nowhere/y.npy", "nowhere/y.npy");
    expect_failure("run " + kLayer + " --y x.npy/y.npy", "x.npy/y.npy");
    expect_failure("run " + kLayer + " --y folder", "folder");
    expect_failure("run " + kLayer + " --y folder/", "folder");
    expect_failure("run " + kLayer + " --y /dev/null", "/dev/null");
    expect_failure("run " + kLayer, "--y");
    expect_failure("run " + kModel + " --y nowhere/y.npy", "nowhere/y.npy");

    // A folder without the right to write; the superuser must give up his own first.
    put("folder/old.npy", "an output of before");
    std::filesystem::permissions(work_ / "folder", std::filesystem::perms(0555));
    const std::string plain = geteuid() != 0 ? "" : "setpriv --inh-caps=-all --bounding-set=-all --";
    if (std::system((plain + " test -w '" + (work_ / "folder").string() + "' 2>/dev/null").c_str()) == 1 << 8) {
        const std::string shell = plain + (plain.empty() ? "" : " env");
        expect_failure("run " + kLayer + " --y folder/y.npy", "folder/y.npy", 2, shell);
        expect_failure("run " + kLayer + " --y folder/old.npy", "folder/old.npy", 2, shell);
    }
    std::filesystem::permissions(work_ / "folder", std::filesystem::perms(0755));
}

TEST_F(CliBadInput, OutputsCutShortVanish) {
    // A limit on file sizes stands for a full disk: the write fails after the file was begun.
    put("x.npy", npy(some_array({2, 900, 5}, 1)));
    for (const std::string y : {"y.npy", "old.npy"}) {
        expect_failure("run " + kLayer + " --y " + y, y, 1, "trap '' XFSZ && ulimit -f 8 &&");
    }
}

}  // namespace
