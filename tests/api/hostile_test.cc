// Small files that ask for much: each is loaded, rewritten and compiled in a process of its own, which must end by
// itself within ten seconds and half a gigabyte, with a model or with one line that says what is wrong.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <limits>

#include "engine/api/dynamic_model.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

constexpr double kMostSeconds = 10;  // of processor time
constexpr long kMostKilobytes = 512 << 10;

struct Outcome {
  bool exited = false;
  double seconds = 0;
  long kilobytes = 0;
  std::string error;  // empty: it compiled
};

// Loads and compiles in a child, so that its memory and time can be told apart.
Outcome compile_alone(const std::string& bytes) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    alarm(120);
    ModelOptions options;
    auto graph = load_onnx_bytes(std::as_bytes(std::span(bytes)), op_table(), options.load);
    std::string text;
    if (!graph.ok())
      text = graph.error().text();
    else if (auto model = Model::from_graph(*std::move(graph), options); !model.ok())
      text = model.error().text();
    if (write(ends[1], text.data(), text.size()) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  Outcome outcome;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) outcome.error.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  outcome.exited = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  outcome.seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  outcome.kilobytes = usage.ru_maxrss;
  return outcome;
}

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

// x -> y, or constants alone.
struct Hostile {
  const char* name;
  std::function<void(ModelBuilder&)> build;  // makes "y"
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

ModelBuilder& filled(ModelBuilder& b, const std::string& name, const Ints& shape) {
  b.ints(name + "_shape", shape);
  return b.node("ConstantOfShape", {name + "_shape"}, {name});
}

ModelBuilder& image(ModelBuilder& b, const Ints& shape) { return b.input("x", shape); }

// Each node doubles its input.
void doubling(ModelBuilder& b, int times, const std::string& first) {
  std::string value = first;
  for (int i = 0; i < times; ++i) {
    std::string next = i + 1 == times ? "y" : cat("d", i);
    b.node("Concat", {value, value}, {next}, {attribute("axis", int64_t{0})});
    value = next;
  }
}

// y = x through a loop of many rounds.
void loop(ModelBuilder& b, int64_t rounds, ModelBuilder body, const std::string& name) {
  body.output("more").output("r");
  for (const char* in : {"round", "more", "a"}) body.graph().add_input()->set_name(in);
  onnx::AttributeProto graph;
  graph.set_name("body");
  graph.set_type(onnx::AttributeProto::GRAPH);
  *graph.mutable_g() = body.graph();
  b.initializer<int64_t>("rounds", {}, {rounds}, 7).floats("c", {1}, {1});
  b.node("Loop", {"rounds", "", "c"}, {"y"}, {graph}, name);
}

const Hostile kHostile[] = {
    {"RoundsOverDeadNodes",
     [](ModelBuilder& b) {
       ModelBuilder body;
       for (int i = 0; i < 3000; ++i) body.node("Max", {"a", "r"}, {});
       loop(b, 40000, body.node("Identity", {"a"}, {"r"}), "");
     }},
    {"RoundsOverManyOperands",
     [](ModelBuilder& b) {
       loop(b, 10000, ModelBuilder().node("Max", std::vector<std::string>(10000, "a"), {"r"}), "");
     }},
    {"RoundsOverManyOutputs",
     [](ModelBuilder& b) {
       ModelBuilder body;
       body.node("Identity", {"a"}, {"r"});
       loop(b, 30000, body, "");
       auto* graph = b.graph().mutable_node()->rbegin()->mutable_attribute(0)->mutable_g();
       for (int i = 0; i < 10000; ++i) graph->add_output()->set_name("a");
     }},
    {"RoundsOfALongName",
     [](ModelBuilder& b) { loop(b, 5000, ModelBuilder().node("Identity", {"a"}, {"r"}), std::string(60000, 'n')); }},
    {"ConstantOfShape",
     [](ModelBuilder& b) {
       filled(b, "y", {1 << 15, 1 << 15});
     }},
    {"ConstantOfShapeBeyondAll",
     [](ModelBuilder& b) {
       filled(b, "y", {int64_t{1} << 40, int64_t{1} << 40});
     }},
    {"ManyLargeConstants",
     [](ModelBuilder& b) {
       std::vector<std::string> parts;
       for (int i = 0; i < 24; ++i) filled(b, cat("c", i), {16, 1 << 20}), parts.push_back(cat("c", i));
       b.node("Sum", parts, {"y"});
     }},
    {"ChainOfLargeConstants",
     [](ModelBuilder& b) {
       filled(b, "c", {16, 1 << 20});
       std::string value = "c";
       for (int i = 0; i < 40; ++i) b.node("Exp", {value}, {i == 39 ? "y" : cat("e", i)}), value = cat("e", i);
     }},
    {"DoublingConstants", [](ModelBuilder& b) { b.floats("c", {1}, {1}), doubling(b, 31, "c"); }},
    {"DoublingInputs",
     [](ModelBuilder& b) {
       image(b, {1, 8, 8, 8}), doubling(b, 28, "x");
     }},
    {"ExpandedConstant",
     [](ModelBuilder& b) {
       b.floats("c", {1}, {1}).ints("s", {1 << 10, 1 << 10, 1 << 10}).node("Expand", {"c", "s"}, {"y"});
     }},
    {"TiledInput",
     [](ModelBuilder& b) {
       image(b, {1, 4, 8, 8}).ints("t", {1, 1 << 10, 1 << 9, 8}).node("Tile", {"x", "t"}, {"y"});
     }},
    {"Range",
     [](ModelBuilder& b) {
       b.initializer<int64_t>("a", {}, {0}, 7).initializer<int64_t>("e", {}, {int64_t{1} << 62}, 7);
       b.initializer<int64_t>("d", {}, {1}, 7).node("Range", {"a", "e", "d"}, {"y"});
     }},
    {"PaddedInput",
     [](ModelBuilder& b) {
       image(b, {1, 4, 8, 8}).ints("p", {0, 0, 1 << 13, 1 << 13, 0, 0, 1 << 13, 1 << 13});
       b.node("Pad", {"x", "p"}, {"y"});
     }},
    {"PaddedBeyondAll",
     [](ModelBuilder& b) {
       constexpr int64_t most = std::numeric_limits<int64_t>::max();
       image(b, {1, 4, 8, 8}).ints("p", {0, 0, most, most, 0, 0, most, most}).node("Pad", {"x", "p"}, {"y"});
     }},
    {"ResizedInput",
     [](ModelBuilder& b) {
       image(b, {1, 4, 8, 8}).floats("s", {4}, {1, 1, 2000, 2000}).node("Resize", {"x", "", "s"}, {"y"});
     }},
    {"ResizedBeyondAll",
     [](ModelBuilder& b) {
       image(b, {1, 4, 8, 8}).floats("s", {4}, {1, 1, 1e30F, 1e30F}).node("Resize", {"x", "", "s"}, {"y"});
     }},
    {"ResizedToNothing",
     [](ModelBuilder& b) {
       image(b, {1, 4, 8, 8}).floats("s", {4}, {1, 1, 0, -1}).node("Resize", {"x", "", "s"}, {"y"});
     }},
    {"LargeInput",
     [](ModelBuilder& b) {
       image(b, {1, 1, 40000, 40000}).floats("w", {1, 1, 3, 3}, Floats(9, 1)).node("Conv", {"x", "w"}, {"y"});
     }},
    {"ManyChannels",
     [](ModelBuilder& b) {
       image(b, {1, 1 << 24, 4, 4})
           .node("Relu", {"x"}, {"r"})
           .node("MaxPool", {"r"}, {"y"}, {attribute("kernel_shape", Ints{2, 2})});
     }},
    {"ManyImages",
     [](ModelBuilder& b) {
       image(b, {1 << 24, 1, 4, 4}).floats("w", {1, 1, 3, 3}, Floats(9, 1)).node("Conv", {"x", "w"}, {"y"});
     }},
    {"LongRows",
     [](ModelBuilder& b) {
       image(b, {1, 1, 1, 1 << 28}).floats("w", {1, 1, 1, 3}, Floats(3, 1)).node("Conv", {"x", "w"}, {"y"});
     }},
    {"ManyRows",
     [](ModelBuilder& b) {
       image(b, {1, 1, 1 << 28, 1}).floats("w", {1, 1, 3, 1}, Floats(3, 1)).node("Conv", {"x", "w"}, {"y"});
     }},
    {"LargeFilter",
     [](ModelBuilder& b) {
       filled(b, "w", {1, 1, 2000, 2000});
       image(b, {1, 1, 2100, 2100}).node("Conv", {"x", "w"}, {"y"});
     }},
    {"LargeFilters",
     [](ModelBuilder& b) {
       filled(b, "w", {1024, 1024, 5, 5});
       image(b, {1, 1024, 16, 16}).node("Conv", {"x", "w"}, {"y"});
     }},
    {"FiltersBeyondTheLimit",
     [](ModelBuilder& b) {
       filled(b, "w", {8192, 8192, 5, 5});
       image(b, {1, 8192, 16, 16}).node("Conv", {"x", "w"}, {"y"});
     }},
    {"ManyGroups",
     [](ModelBuilder& b) {
       filled(b, "w", {1 << 18, 1, 3, 3});
       image(b, {1, 1 << 18, 8, 8}).node("Conv", {"x", "w"}, {"y"}, {attribute("group", int64_t{1} << 18)});
     }},
    {"LargeStride",
     [](ModelBuilder& b) {
       image(b, {1, 1, 60000, 60}).floats("w", {1, 1, 3, 3}, Floats(9, 1));
       b.node("Conv", {"x", "w"}, {"y"}, {attribute("strides", Ints{20000, 20})});
     }},
    {"LargeDilation",
     [](ModelBuilder& b) {
       image(b, {1, 1, 64, 64}).floats("w", {1, 1, 3, 3}, Floats(9, 1));
       b.node("Conv", {"x", "w"}, {"y"},
              {attribute("dilations", Ints{1 << 30, 1 << 30}),
               attribute("pads", Ints{1 << 30, 1 << 30, 1 << 30, 1 << 30})});
     }},
    {"LargePads",
     [](ModelBuilder& b) {
       image(b, {1, 1, 8, 8}).floats("w", {1, 1, 3, 3}, Floats(9, 1));
       b.node("Conv", {"x", "w"}, {"y"}, {attribute("pads", Ints{20000, 20000, 20000, 20000})});
     }},
    {"TransposedLargeStride",
     [](ModelBuilder& b) {
       image(b, {1, 1, 100, 100}).floats("w", {1, 1, 3, 3}, Floats(9, 1));
       b.node("ConvTranspose", {"x", "w"}, {"y"}, {attribute("strides", Ints{300, 300})});
     }},
    {"FoldedConvolution",
     [](ModelBuilder& b) {
       filled(b, "c", {1, 256, 224, 224}), filled(b, "w", {64, 256, 7, 7});
       b.node("Conv", {"c", "w"}, {"y"});
     }},
    {"FoldedProduct",
     [](ModelBuilder& b) {
       filled(b, "a", {4000, 4000}), filled(b, "c", {4000, 4000}), b.node("MatMul", {"a", "c"}, {"y"});
     }},
    {"FoldedPointsOfARegion",
     [](ModelBuilder& b) {
       filled(b, "c", {1, 1, 4, 4}), b.floats("r", {1, 4}, {0, 0, 3, 3}), b.ints("i", {0});
       b.node("RoiAlign", {"c", "r", "i"}, {"y"}, {attribute("sampling_ratio", int64_t{5000})});
     }},
    {"FoldedPointsOfALargeRegion",
     [](ModelBuilder& b) {
       filled(b, "c", {1, 1, 4, 4}), b.floats("r", {1, 4}, {0, 0, 60000, 60000}), b.ints("i", {0});
       b.node("RoiAlign", {"c", "r", "i"}, {"y"});
     }},
    {"SearchAmongManyBoxes",
     [](ModelBuilder& b) {
       filled(b, "boxes", {1, 400000, 4}), filled(b, "scores", {1, 1, 400000});
       b.ints("most", {std::numeric_limits<int64_t>::max()});
       b.node("NonMaxSuppression", {"boxes", "scores", "most"}, {"y"});
     }},
    {"FoldedDeterminants",
     [](ModelBuilder& b) {
       filled(b, "c", {2800, 2800}), b.node("EyeLike", {"c"}, {"e"});
       for (int i = 0; i < 8; ++i) b.node("Det", {"e"}, {cat("d", i)});
       b.node("Sum", {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"}, {"y"});
     }},
    {"FoldedPool",
     [](ModelBuilder& b) {
       filled(b, "c", {1, 1, 3000, 3000});
       b.node("MaxPool", {"c"}, {"y"}, {attribute("kernel_shape", Ints{1000, 1000})});
     }},
    {"LargePool",
     [](ModelBuilder& b) {
       image(b, {1, 4, 5000, 5000}).node("AveragePool", {"x"}, {"y"}, {attribute("kernel_shape", Ints{4000, 4000})});
     }},
    {"LargeProduct",
     [](ModelBuilder& b) {
       filled(b, "w", {1 << 12, 1 << 12});
       b.input("x", {1 << 18, 1 << 12}).node("MatMul", {"x", "w"}, {"y"});
     }},
    {"OneHotDepth",
     [](ModelBuilder& b) {
       b.input("x", {1000}, onnx::TensorProto::INT64)
           .initializer<int64_t>("d", {}, {int64_t{1} << 40}, 7)
           .floats("v", {2}, {0, 1});
       b.node("OneHot", {"x", "d", "v"}, {"y"});
     }},
    {"EyeLike",
     [](ModelBuilder& b) {
       filled(b, "c", {4000, 4000}), b.node("EyeLike", {"c"}, {"y"});
     }},
    {"DepthToSpaceOfMuch",
     [](ModelBuilder& b) {
       image(b, {1, 1 << 20, 8, 8}).node("DepthToSpace", {"x"}, {"y"}, {attribute("blocksize", int64_t{1024})});
     }},
    {"WindowBeyondInput",
     [](ModelBuilder& b) {
       image(b, {1, 1, 8, 8}).node("MaxPool", {"x"}, {"y"}, {attribute("kernel_shape", Ints{int64_t{1} << 62, 2})});
     }},
    {"Rank9", [](ModelBuilder& b) { image(b, Ints(9, 2)).node("Relu", {"x"}, {"y"}); }},
};

class HostileModel : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileModel, EndsSoonInLittleMemory) {
  ModelBuilder b;
  GetParam().build(b);
  b.output("y");
  const std::string bytes = b.bytes();
  ASSERT_LT(bytes.size(), 1u << 16);
  Outcome outcome = compile_alone(bytes);
  std::cout << outcome.seconds << " s, " << outcome.kilobytes / 1024
            << " MB: " << (outcome.error.empty() ? "compiled" : outcome.error) << "\n";
  EXPECT_TRUE(outcome.exited) << "the process died";
#ifndef QL_SANITIZED  // whose time and memory are not the library's
  EXPECT_LT(outcome.seconds, kMostSeconds);
  EXPECT_LT(outcome.kilobytes, kMostKilobytes);
#endif
  EXPECT_EQ(outcome.error.find('\n'), std::string::npos) << outcome.error;
}

INSTANTIATE_TEST_SUITE_P(All, HostileModel, ::testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace quadlane::testing
