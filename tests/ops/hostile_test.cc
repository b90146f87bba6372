// Every operator of the table on random, mostly senseless inputs and attributes: inference refuses or evaluation works;
// nothing crashes, divides by zero or reads outside (run it under the sanitizers). Deterministic.
#include <map>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

constexpr int64_t kExtremes[] = {0,         1,        2, 3, 4, 7, -1, -2, -5, 1 << 16, INT32_MAX, int64_t{1} << 40,
                                 INT64_MAX, INT64_MIN};
constexpr int64_t kMaxEvaluated = 1 << 16;  // elements: larger results are only inferred

class Hostile {
 public:
  explicit Hostile(uint32_t seed) : random_(seed) {}

  int64_t number() {
    return random_.between(0, 3) ? random_.between(-2, 4) : kExtremes[random_.between(0, std::size(kExtremes) - 1)];
  }

  Tensor tensor(DType dtype, const Shape& shape) {
    Tensor t = *Tensor::allocate({dtype, shape});
    for (int64_t i = 0; i < t.count(); ++i) fill(t, i, number());
    return t;
  }

  // Small ranks and extents; often the last shape again, so that inputs fit each other.
  Shape shape() {
    if (random_.between(0, 2) == 0) return last_;
    last_.assign(static_cast<size_t>(random_.between(0, 5)), 0);
    for (int64_t& extent : last_) extent = random_.between(0, 12) ? random_.between(1, 4) : 0;
    return last_;
  }

  Attr attr() {
    static const char* const kTexts[] = {"",
                                         "constant",
                                         "reflect",
                                         "edge",
                                         "wrap",
                                         "linear",
                                         "nearest",
                                         "cubic",
                                         "floor",
                                         "DCR",
                                         "CRD",
                                         "tanh",
                                         "u8",
                                         "f32",
                                         "notset",
                                         "VALID",
                                         "clip",
                                         "SAME_UPPER",
                                         "leaky",
                                         "asymmetric",
                                         "reflection",
                                         "border",
                                         "max",
                                         "add",
                                         "LEFT",
                                         "ij,jk->ik",
                                         "...i->...",
                                         "ii->i",
                                         "output_half_pixel"};
    switch (random_.between(0, 5)) {
      case 0: return static_cast<float>(number());
      case 1: return std::string(kTexts[random_.between(0, std::size(kTexts) - 1)]);
      case 2: {
        std::vector<int64_t> list(static_cast<size_t>(random_.between(0, 8)));
        for (int64_t& v : list) v = number();
        return list;
      }
      case 3: return std::vector<float>(static_cast<size_t>(random_.between(0, 4)), static_cast<float>(number()));
      case 4: return tensor(dtype(), {1});
      default: return number();
    }
  }

  DType dtype() { return static_cast<DType>(random_.between(0, static_cast<int64_t>(DType::boolean))); }
  Random& random() { return random_; }

 private:
  static void fill(Tensor& t, int64_t i, int64_t value) {
    switch (t.dtype()) {
      case DType::f32: t.mutate<float>()[i] = static_cast<float>(value); break;
      case DType::f64: t.mutate<double>()[i] = static_cast<double>(value); break;
      case DType::f16: t.mutate<Half>()[i] = float_to_half(static_cast<float>(value)); break;
      case DType::boolean: t.mutate<bool>()[i] = value % 2 != 0; break;
      default:  // little endian: the low bytes
        std::copy_n(reinterpret_cast<const char*>(&value), size_of(t.dtype()),
                    t.mutate<char>() + static_cast<size_t>(i) * size_of(t.dtype()));
    }
  }

  Random random_;
  Shape last_;
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (end > 0) list.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

// One random node of an operator; true when it was inferred and evaluated.
bool attempt(const OpDef& def, Hostile& hostile) {
  Random& random = hostile.random();
  Graph graph;
  Node node{"n", std::string(def.name), {}, {}, {}};
  int64_t most = def.max_inputs < 0 ? def.min_inputs + 2 : def.max_inputs;
  int64_t count = random.between(def.min_inputs, most);
  DType main = random.between(0, 1) ? DType::f32 : hostile.dtype();
  std::vector<Tensor> inputs(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    if (i >= def.min_inputs && random.between(0, 2) == 0) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    int64_t kind = random.between(0, 3);  // the node's type, a list of integers, or anything
    Tensor& t = inputs[static_cast<size_t>(i)];
    if (kind == 0)
      t = hostile.tensor(DType::s64, Shape{random.between(0, 4)});
    else
      t = hostile.tensor(kind == 1 ? hostile.dtype() : main, hostile.shape());
    node.inputs.push_back(graph.add_constant("c", t));
  }
  for (const std::string& name : words(def.attributes)) {
    int64_t kind = random.between(0, 5);
    if (kind == 0) node.attrs.set(name, hostile.attr());
    if (kind == 1) node.attrs.set(name, hostile.number());
  }
  auto y = add_op(graph, op_table(), node);
  if (!y.ok()) {
    EXPECT_NE(y.error().message, "") << def.name;
    return false;
  }
  const Node& added = *graph.producer(*y);
  for (ValueId out : added.outputs)
    if (graph[out].type.count() > kMaxEvaluated) return false;
  std::vector<const Tensor*> pointers;
  for (size_t i = 0; i < inputs.size(); ++i) pointers.push_back(added.inputs[i] == kNoValue ? nullptr : &inputs[i]);
  return eval_node(graph, added, op_table(), pointers).ok();
}

TEST(Hostile, NoOperatorCrashes) {
  Hostile hostile(11);
  std::map<std::string_view, int> evaluated;
  for (const OpDef& def : op_table().all())
    for (int trial = 0; trial < 400; ++trial) evaluated[def.name] += attempt(def, hostile);
  // The attempts are not all refused: the simple operators run often.
  for (const char* op :
       {"Add", "Relu", "Concat", "Transpose", "Reshape", "Slice", "Pad", "Gather", "ReduceMean", "Cast"})
    EXPECT_GT(evaluated[op], 0) << op;
}

}  // namespace
}  // namespace quadlane::test
