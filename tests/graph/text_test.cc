// print and parse are inverses; the parser's messages name line, thing and both values.
#include "graph/text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/verify.h"
#include "ops/table.h"
#include "tests/support/random_graph.h"

namespace quadlane {
namespace {

constexpr PrintOptions kWhole{int64_t{1} << 40};

Graph parsed(std::string_view text) {
  auto g = parse_graph(text, op_table());
  EXPECT_TRUE(g.ok()) << (g.ok() ? "" : g.error().text());
  return g.ok() ? *std::move(g) : Graph();
}

std::string fault(std::string_view text) {
  auto g = parse_graph(text, op_table());
  return g.ok() ? "" : g.error().text();
}

ValueId named(const Graph& g, std::string_view name) {
  for (uint32_t v = 0; v < g.value_capacity(); ++v)
    if (g.at(ValueId{v}).name == name) return ValueId{v};
  ADD_FAILURE() << "no value " << name;
  return kNoValue;
}

void expect_round_trip(const Graph& g) {
  std::string text = print(g, kWhole);
  Graph again = parsed(text);
  EXPECT_EQ(print(again, kWhole), text);
  Status s = verify(again, op_table());
  EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().text());
}

TEST(Text, PrintsEverything) {
  constexpr std::string_view text =
      "graph \"unet\"\n"
      "input %image: f32[1,2,4,4]\n"
      "const %\"w/0\": f32[3] = {1, -0.5, 3e-20}\n"
      "const %zero: s64[2] = zeros\n"
      "%a: f32[1,1,4,4], %b: f32[1,1,4,4] = Split(%image) name=\"cut\" axis=1 num_outputs=2\n"
      "%\"/y 1\": f32[1,1,4,4] = Clip(%a, _, _)\n"
      "%z: f32[1,1,4,4] = LeakyRelu(%b) alpha=0.25\n"
      "output %\"/y 1\"\n"
      "output %z\n"
      "output %\"w/0\"\n"
      "output %zero\n";
  EXPECT_EQ(print(parsed(text)), text);
}

TEST(Text, RoundTripOfRandomGraphs) {
  for (uint32_t seed = 0; seed < 6; ++seed) {
    expect_round_trip(random_dense_unet(op_table(), seed, {seed % 2 == 0}));
    expect_round_trip(random_resnet(op_table(), seed, {seed % 2 == 0}));
  }
}

TEST(Text, RoundTripAfterMutation) {
  Graph g = parsed("input %x: f32[2]\n%a = Relu(%x)\n%b = Exp(%a)\n%c = Neg(%b)\noutput %c\n");
  ValueId a = named(g, "a"), b = named(g, "b");
  auto late = add_op(g, op_table(), Node{"late", "Abs", {}, {a}, {}});
  ASSERT_TRUE(late.ok());
  g.replace_uses(b, *late);
  g.erase_dead();
  expect_round_trip(g);
}

TEST(Text, ElementsOfEveryTypeSurvive) {
  constexpr const char* lists[] = {
      "f32[6] = {0, -0, 1.1754944e-38, 3.4028235e+38, inf, -inf}",
      "f64[3] = {0.1, 5e-324, 1.7976931348623157e+308}",
      "f16[4] = {0.5, 65504, 5.9604645e-08, -inf}",
      "u8[2] = {0, 255}",
      "s8[2] = {-128, 127}",
      "u16[2] = {1, 65535}",
      "s16[2] = {-32768, 32767}",
      "s32[2] = {-2147483648, 2147483647}",
      "u32[1] = {4294967295}",
      "s64[2] = {-9223372036854775808, 9223372036854775807}",
      "u64[1] = {18446744073709551615}",
      "bool[3] = {1, 0, 1}",
      "f32[] = {2.5}",
      "f32[0,3] = {}",
      "f32[2] = 0x7fc000013f800000",  // a NaN with its payload, and 1
      "f16[2] = zeros",
  };
  for (const char* list : lists) {
    std::string text = cat("graph \"\"\nconst %c: ", list, "\noutput %c\n");
    EXPECT_EQ(print(parsed(text)), text);
  }
}

TEST(Text, HexadecimalIsBitsMostSignificantDigitFirst) {
  Graph g = parsed("const %c: f32[2] = 0x3f800000c0000000\nconst %h: u16[1] = 0x0102");
  EXPECT_EQ(g.constant(named(g, "c"))->as<float>()[0], 1.0F);
  EXPECT_EQ(g.constant(named(g, "c"))->as<float>()[1], -2.0F);
  EXPECT_EQ(g.constant(named(g, "h"))->as<uint16_t>()[0], 0x102);
}

TEST(Text, FillsAreDeterministic) {
  Graph g = parsed(
      "const %i: s32[3] = iota\nconst %r: f32[1000] = random(7)\nconst %s: f32[1000] = random(7)\n"
      "const %t: f32[1000] = random(8)\nconst %b: s8[1000] = random(1)\n");
  EXPECT_EQ(to_ints(g.constant(named(g, "i"))->view()), (std::vector<int64_t>{0, 1, 2}));
  auto bytes = [&](const char* name) {
    const Tensor& t = *g.constant(named(g, name));
    return std::string(t.as<char>(), t.type().bytes());
  };
  EXPECT_EQ(bytes("r"), bytes("s"));
  EXPECT_NE(bytes("r"), bytes("t"));
  float least = 0, most = 0;
  for (float v : g.constant(named(g, "r"))->span<float>()) least = std::min(least, v), most = std::max(most, v);
  EXPECT_GE(least, -1);
  EXPECT_LT(least, -0.95F);
  EXPECT_LT(most, 1);
  EXPECT_GT(most, 0.95F);
  bool negative = false, positive = false;
  for (int8_t v : g.constant(named(g, "b"))->span<int8_t>()) negative |= v<-100, positive |= v> 100;
  EXPECT_TRUE(negative && positive);
}

TEST(Text, LargeConstantsPrintAHashOnly) {
  Graph g = parsed("const %c: f32[17] = random(1)\nconst %d: f32[17] = random(2)\noutput %c, %d");
  std::string text = print(g);
  EXPECT_NE(text.find("const %c: f32[17] = hash("), text.npos) << text;
  size_t c = text.find("hash("), d = text.rfind("hash(");
  EXPECT_NE(text.substr(c, 21), text.substr(d, 21));
  EXPECT_EQ(fault(text), "line 2: constant 'c': only a hash of the 17 elements was printed");
}

TEST(Text, AttributesKeepTheirKinds) {
  constexpr std::string_view line =
      "%y: f32[2] = ql.Test(%x) ints=[1,-2] list=[1.5,2.0] name=7 nan=nan none=[] one=1 real=1.0 "
      "reals=floats[] tensor=s64[2]{3, 4} text=\"a \\\"b\\\" \\\\ \\n\\x01\"";
  // A table of one operator that accepts them all; the attribute called `name` has to be quoted.
  OpTable table({{"ql.Test", 1, 1, 1, "ints list name nan none one real reals tensor text",
                  [](const OpContext& ctx) -> Result<std::vector<TensorType>> { return std::vector{ctx.type(0)}; },
                  [](const OpContext&, std::span<const MutView>) -> Status { return {}; }}});
  std::string text = cat("graph \"\"\ninput %x: f32[2]\n", line, "\noutput %y\n");
  text.replace(text.find(" name=7"), 7, " \"name\"=7");
  auto g = parse_graph(text, table);
  ASSERT_TRUE(g.ok()) << g.error().text();
  const Attrs& attrs = g->producer(g->outputs()[0])->attrs;
  EXPECT_NE(attrs.find<std::vector<int64_t>>("ints"), nullptr);
  EXPECT_NE(attrs.find<std::vector<int64_t>>("none"), nullptr);
  EXPECT_NE(attrs.find<std::vector<float>>("list"), nullptr);
  EXPECT_NE(attrs.find<std::vector<float>>("reals"), nullptr);
  EXPECT_NE(attrs.find<int64_t>("one"), nullptr);
  EXPECT_NE(attrs.find<int64_t>("name"), nullptr);
  ASSERT_NE(attrs.find<float>("real"), nullptr);
  EXPECT_TRUE(std::isnan(attrs.float_or("nan", 0)));
  EXPECT_EQ(to_ints(attrs.find<Tensor>("tensor")->view()), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(attrs.string_or("text", ""), "a \"b\" \\ \n\x01");
  EXPECT_EQ(print(*g), text);
}

TEST(Text, CommentsBlanksAndMissingTypes) {
  Graph g = parsed("# a graph\n\n  input %x : f32[2]   # the input\r\n\t%y=Relu( %x )# done\noutput %y");
  EXPECT_EQ(print(g), "graph \"\"\ninput %x: f32[2]\n%y: f32[2] = Relu(%x)\noutput %y\n");
}

TEST(Text, ErrorsNameLineAndBothValues) {
  struct Case {
    const char *text, *error;
  };
  const Case cases[] = {
      {"inputs %x: f32[1]", "line 1: expected graph, input, const, output or %, found 'inputs %x: f32[1]'"},
      {"input %x", "line 1: expected ':' and a type, found the end of the line"},
      {"input %x: f33[1]", "line 1: unknown element type 'f33'"},
      {"input %x: f32[-1]", "line 1: negative extent in shape [-1]"},
      {"input %x: f32[1", "line 1: expected ']', found the end of the line"},
      {"input %x: f32[1] junk", "line 1: expected the end of the line, found 'junk'"},
      {"input %x: f32[1]\ninput %x: f32[1]", "line 2: value 'x' is defined twice"},
      {"input %\"x: f32[1]", "line 1: a string has no closing quote"},
      {"input %\"\": f32[1]", "line 1: a value has an empty name"},
      {"input %\"\\q\": f32[1]", "line 1: unknown escape '\\q' in a string"},
      {"output %y", "line 1: value 'y' is not defined above"},
      {"%y = Relu(%x)", "line 1: value 'x' is not defined above"},
      {"%y = Nope()", "line 1: node 'y' (Nope): operator 'Nope' is not supported"},
      {"input %x: f32[2]\n%y: f32[3] = Relu(%x)",
       "line 2: node 'y' (Relu): output 'y' is written as f32[3], inference gives f32[2]"},
      {"input %x: f32[2]\n%y, %z = Relu(%x)", "line 2: node 'y' (Relu): 2 outputs are named, inference gives 1"},
      {"input %x: f32[2]\n%y, %y = Relu(%x)", "line 2: value 'y' is defined twice"},
      {"input %x: f32[2]\n%y = LeakyRelu(%x) alpha=0.1 alpha=0.2", "line 2: attribute 'alpha' is given twice"},
      {"input %x: f32[2]\n%y = LeakyRelu(%x) alpha=1e99",
       "line 2: attribute 'alpha': '1e99' is out of the range of f32"},
      {"const %c: u8[2] = {1, 256}", "line 1: constant 'c': '256' is out of the range of u8"},
      {"const %c: u8[2] = {1}", "line 1: constant 'c': found 1 elements, u8[2] has 2"},
      {"const %c: u8[2] = {1, 2, 3}", "line 1: constant 'c': found more than the 2 elements of u8[2]"},
      {"const %c: u8[2] = {1, x}", "line 1: constant 'c': expected a value of type u8, found 'x'"},
      {"const %c: bool[1] = 0x02", "line 1: constant 'c': 0x02 is not a bool"},
      {"const %c: u8[2] = 0x012", "line 1: constant 'c': found 3 hexadecimal digits, u8[2] has 4"},
      {"const %c: u8[1] = 0x0g", "line 1: constant 'c': '0g' is not hexadecimal"},
      {"const %c: u8[1] = ones",
       "line 1: constant 'c': expected elements: {...}, 0x..., zeros, iota, fill(value) or random(seed), found 'ones'"},
      {"const %c: u8[2000000000] = zeros",
       "line 1: constant 'c': u8[2000000000] has 2000000000 bytes, 134217728 are left of the limit"},
      {"const %c: u8[99999999999999999999] = zeros", "line 1: '99999999999999999999' does not fit in 64 bits"},
  };
  for (const Case& c : cases) EXPECT_EQ(fault(c.text), c.error) << c.text;
}

// Every prefix and every single-character change of a graph either parses or gives an error: nothing crashes or hangs.
TEST(Text, SurvivesDamage) {
  std::string text =
      "graph \"g\"\ninput %x: f32[1,2]\nconst %c: s64[2] = {2, -1}\nconst %h: f32[1] = 0x3f800000\n"
      "%y: f32[2,1] = Reshape(%x, %c) name=\"r\\x41\" allowzero=0\noutput %y\n";
  ASSERT_EQ(fault(text), "");
  for (size_t i = 0; i <= text.size(); ++i) (void)parse_graph(text.substr(0, i), op_table());
  for (size_t i = 0; i < text.size(); ++i)
    for (char c : std::string_view("\0\"%0-9[]{}(),=_#\\ \xff", 20)) {
      std::string damaged = text;
      damaged[i] = c;
      auto g = parse_graph(damaged, op_table());
      EXPECT_TRUE(!g.ok() || verify(*g, op_table()).ok()) << damaged;
    }
}

}  // namespace
}  // namespace quadlane
