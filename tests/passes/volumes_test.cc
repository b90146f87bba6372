// volumes_as_images: every operator alone and a small U-Net, before and after.
#include "graph/passes/rewrite.h"
#include "tests/passes/pass_check.h"

namespace quadlane {
namespace {

// The operators behind `body` on a random volume, and nothing of rank 3 or 5 left but the edges.
void expect_images(const std::string& body) {
  const Graph before = parsed(body), after = after_pass(before, "volumes_as_images");
  EXPECT_LT(f32_difference(after, before), 1e-4) << print(after);
  for (NodeId id : after.order()) {
    const bool moves = after[id].op == "Reshape" || after[id].op == "Transpose";
    EXPECT_TRUE(moves || after[after[id].output()].type.shape.size() == 4) << after[id].op << "\n" << print(after);
  }
}

// One operator on [1,4,6,7,5] behind the parameter constants it may need.
void expect_volume(const std::string& node, const std::string& input = "f32[1,4,6,7,5]") {
  expect_images(R"(graph "g"
input %x: )" + input +
                R"(
const %w: f32[6,4,3,3,3] = random(1)
const %w2: f32[6,4,2,1,3] = random(2)
const %g: f32[8,2,3,3,1] = random(3)
const %dw: f32[4,1,3,3,3] = random(4)
const %t: f32[4,3,2,2,2] = random(5)
const %t3: f32[4,3,3,3,3] = random(6)
const %b: f32[6] = random(7)
const %w1: f32[6,4,5] = random(8)
const %t1: f32[4,3,4] = random(9)
%y = )" + node + R"(
output %y
)");
}

TEST(VolumesAsImages, Convolutions) {
  expect_volume("Conv(%x, %w, %b)");
  expect_volume("Conv(%x, %w) pads=[1,1,1,1,1,1]");
  expect_volume("Conv(%x, %w, %b) pads=[1,0,2,0,1,1] strides=[2,1,2]");
  expect_volume("Conv(%x, %w) dilations=[2,1,1] pads=[2,1,1,2,1,1]");
  expect_volume("Conv(%x, %w2) strides=[1,2,1]");
  expect_volume("Conv(%x, %g) group=2 pads=[1,1,0,1,1,0]");
  expect_volume("Conv(%x, %dw) group=4 pads=[1,1,1,1,1,1] strides=[1,2,1]");
  expect_volume("Conv(%x, %w, %b) pads=[1,1,1,1,1,1]", "f32[2,4,1,7,5]");
}

TEST(VolumesAsImages, TransposedConvolutions) {
  expect_volume("ConvTranspose(%x, %t) strides=[2,2,2]");
  expect_volume("ConvTranspose(%x, %t3) strides=[2,2,1] pads=[1,1,1,1,1,1]");
  expect_volume("ConvTranspose(%x, %t3) strides=[2,2,2] pads=[1,1,1,1,1,1] output_padding=[1,1,0]");
  expect_volume("ConvTranspose(%x, %t3) dilations=[2,1,1] pads=[0,1,0,1,0,0]");
}

TEST(VolumesAsImages, Pools) {
  expect_volume("MaxPool(%x) kernel_shape=[2,2,2] strides=[2,2,2]");
  expect_volume("MaxPool(%x) kernel_shape=[3,3,2] strides=[2,1,2] pads=[1,1,0,1,1,1] ceil_mode=1");
  expect_volume("AveragePool(%x) kernel_shape=[3,2,2] strides=[1,2,2] pads=[1,0,0,1,0,0]");
  expect_volume("AveragePool(%x) kernel_shape=[3,3,3] strides=[2,1,1] pads=[1,1,1,1,1,1] count_include_pad=1");
}

TEST(VolumesAsImages, Sequences) {
  expect_volume("Conv(%x, %w1, %b) pads=[2,1] strides=[2]", "f32[2,4,19]");
  expect_volume("Conv(%x, %w1) dilations=[3]", "f32[1,4,19]");
  expect_volume("ConvTranspose(%x, %t1) strides=[2] pads=[1,1]", "f32[1,4,9]");
  expect_volume("MaxPool(%x) kernel_shape=[3] strides=[2] pads=[1,0]", "f32[1,4,19]");
  expect_volume("AveragePool(%x) kernel_shape=[4] strides=[3] ceil_mode=1", "f32[1,4,19]");
}

TEST(VolumesAsImages, WholeParts) {
  expect_images(R"(graph "g"
input %x: f32[1,1,6,8,8]
const %w1: f32[4,1,3,3,3] = random(1)
const %w2: f32[6,4,3,3,3] = random(2)
const %t: f32[6,4,2,2,2] = random(3)
const %w3: f32[3,8,1,1,1] = random(4)
const %one: f32[4] = random(5)
const %var: f32[4] = {1,2,0.5,1}
const %slope: f32[6,1,1,1] = random(6)
const %scale: f32[1,4,1,1,1] = random(7)
const %half: f32[] = {0.5}
%a = Conv(%x, %w1) pads=[1,1,1,1,1,1]
%n = BatchNormalization(%a, %one, %one, %one, %var)
%r = Relu(%n)
%p = MaxPool(%r) kernel_shape=[2,2,2] strides=[2,2,2]
%b = Conv(%p, %w2) pads=[1,1,1,1,1,1]
%s = PRelu(%b, %slope)
%u = ConvTranspose(%s, %t) strides=[2,2,2]
%m = Mul(%u, %scale)
%h = Mul(%m, %half)
%k = Add(%h, %r)
%c = Concat(%k, %r) axis=1
%y = Conv(%c, %w3)
%z = Sigmoid(%y)
output %z
)");
  expect_images(R"(graph "g"
input %x: f32[1,3,20]
const %w: f32[4,3,3] = random(1)
const %v: f32[4,4,3] = random(2)
%a = Conv(%x, %w) pads=[1,1]
%r = Relu(%a)
%b = Conv(%r, %v) pads=[1,1]
%s = Add(%b, %r)
%c = Concat(%s, %r) axis=1
output %c
)");
}

TEST(VolumesAsImages, GlobalPools) {
  for (const std::string pool : {"GlobalAveragePool", "GlobalMaxPool"})
    for (const bool volume : {true, false}) {
      const std::string input = volume ? "f32[2,4,5,4,6]" : "f32[2,4,9]", kernel = volume ? "[1,2,2]" : "[2]";
      const Graph before = parsed("graph \"g\"\ninput %x: " + input + "\n%a = MaxPool(%x) kernel_shape=" + kernel +
                                  "\n%y = " + pool + "(%a)\noutput %y\n");
      const Graph after = after_pass(before, "volumes_as_images");
      EXPECT_LT(f32_difference(after, before), 1e-5) << print(after);
      EXPECT_NE(ops_of(after).find("MaxPool " + pool), std::string::npos) << ops_of(after);
    }
}

TEST(VolumesAsImages, Resizes) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "asymmetric", "align_corners"})
      for (const bool by_scales : {true, false})
        expect_images(std::string(R"(graph "g"
input %x: f32[1,3,4,6,5]
const %scales: f32[5] = {1,1,2,2,1.5}
const %sizes: s64[5] = {1,3,7,6,10}
%a = MaxPool(%x) kernel_shape=[1,2,1]
%y = Resize(%a, _, )") +
                      (by_scales ? "%scales" : "_, %sizes") + ") mode=\"" + mode +
                      "\" coordinate_transformation_mode=\"" + coordinates + "\"\noutput %y\n");
}

// Quantization stays next to the convolutions, where the integer passes look for it.
TEST(VolumesAsImages, Quantized) {
  const std::string body = R"(
const %s: f32[] = {0.05}
const %z: u8[] = {128}
const %ws: f32[4] = {0.01,0.02,0.005,0.01}
const %bs: f32[4] = {0.1,0.1,0.1,0.1}
const %bq: s32[4] = {1,-2,3,4}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%w = DequantizeLinear(%wq, %ws) axis=0
%b = DequantizeLinear(%bq, %bs) axis=0
%y = Conv(%d, %w, %b) pads=PADS
%r = Relu(%y)
%q2 = QuantizeLinear(%r, %s, %z)
%d2 = DequantizeLinear(%q2, %s, %z)
%p = MaxPool(%d2) kernel_shape=KERNEL
output %p
)";
  for (const bool volume : {true, false}) {
    std::string text = "graph \"g\"\ninput %x: " + std::string(volume ? "f32[1,2,4,6,6]" : "f32[1,2,30]") +
                       "\nconst %wq: s8" + (volume ? "[4,2,3,3,3]" : "[4,2,3]") + " = random(1)" + body;
    text.replace(text.find("PADS"), 4, volume ? "[1,1,1,1,1,1]" : "[1,1]");
    text.replace(text.find("KERNEL"), 6, volume ? "[2,2,2]" : "[2]");
    const Graph before = parsed(text), after = after_pass(before, "volumes_as_images");
    EXPECT_LT(f32_difference(after, before), 1e-4) << print(after);
    for (NodeId id : after.order())
      if (after[id].op == "Conv") {
        EXPECT_TRUE(producer_of(after, after[id].input(1), "DequantizeLinear")) << print(after);
        const Node* x = after.producer(after[id].input(0));
        ASSERT_TRUE(x);
        EXPECT_TRUE(x->op == "DequantizeLinear" || x->op == "Slice") << print(after);
      }
  }
}

// Bytes become images in front of the quantizer; integers of 16 bits have no such form, their numbers do, behind it.
TEST(VolumesAsImages, IntegersOfOtherWidths) {
  const Graph before = parsed(R"(graph "g"
input %x: f32[1,2,4,5,3]
const %s: f32[] = {0.001}
const %z: u16[] = {30000}
const %w: f32[3,2,1,3,1] = random(1)
%q: u16[1,2,4,5,3] = QuantizeLinear(%x, %s, %z)
%d: f32[1,2,4,5,3] = DequantizeLinear(%q, %s, %z)
%y: f32[1,3,4,3,3] = Conv(%d, %w)
output %y
)");
  const Graph after = after_pass(before, "volumes_as_images");
  EXPECT_LT(f32_difference(after, before), 1e-4) << print(after);
}

TEST(VolumesAsImages, LeavesOthersAlone) {
  // Elementwise operators without an image in front of them, weights that are no constants, windows over padding only,
  // kernels whose every output slice has taps of its own.
  expect_rewrite("volumes_as_images", R"(graph "g"
input %x: f32[1,2,4,4,4]
input %w: f32[2,2,1,1,1]
input %v: f32[1,2,30,1,1]
const %far: f32[2,2,1,1,1] = random(1)
const %deep: f32[2,2,40,1,1] = random(2)
%r = Relu(%x)
%c = Conv(%x, %w)
%d = Conv(%x, %far) pads=[1,0,0,1,0,0]
%e = Conv(%v, %deep) pads=[39,0,0,39,0,0]
output %r
output %c
output %d
output %e
)",
                 "Relu Conv Conv Conv");
}

}  // namespace
}  // namespace quadlane
