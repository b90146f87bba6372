#include "tools/cli/moments.h"

#include <map>

#include "engine/api/engine.h"
#include "engine/base/on_isa.h"
#include "engine/run/topology.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/progress.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

constexpr size_t kRows = 64;         // of one product
constexpr size_t kSmallLength = 32;  // below this, loops are as fast

struct Product {
  run::Stream stream;
  Outputs outputs;
};

// X -> X^T X by the engine's matrix product.
Result<Product> make_product(size_t length) {
  const int64_t n = static_cast<int64_t>(length), rows = kRows;
  Graph graph;
  const ValueId x = graph.add_input("rows", {DType::f32, {rows, n}});
  Node turn{"turn", "Transpose", {}, {x}};
  turn.attrs.set("perm", std::vector<int64_t>{1, 0});
  QL_TRY(ValueId turned, add_op(graph, op_table(), std::move(turn)));
  QL_TRY(ValueId product, add_op(graph, op_table(), {"product", "MatMul", {}, {turned, x}}));
  graph.set_outputs(std::vector<ValueId>{product});
  ModelOptions options;
  options.tune = false;
  QL_TRY(Model model, Model::from_graph(std::move(graph), options));
  QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
  QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
  return Product{std::move(stream), std::move(outputs)};
}

// Compilers give no sum of fp32 products another order, so these are the same on every machine.
void add_products(std::span<const float> rows, size_t length, float* product) {
  on_this_cpu([=] {
    for (size_t r = 0; r < rows.size(); r += length)
      for (size_t i = 0; i < length; ++i)
        for (size_t j = 0; j < length; ++j) product[i * length + j] += rows[r + i] * rows[r + j];
  });
}

void add(std::span<float> sum, const float* x) {
  on_this_cpu([=] {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += x[i];
  });
}

class Products {
 public:
  Status operator()(std::span<const float> rows, size_t length, std::span<float> product) {
    std::fill(product.begin(), product.end(), 0.0f);
    if (length < kSmallLength) {
      add_products(rows, length, product.data());
      return {};
    }
    if (!by_length_.count(length)) {
      QL_TRY(Product made, make_product(length));
      by_length_.emplace(length, std::move(made));
    }
    Product& p = by_length_.at(length);
    QL_TRY(Tensor block, Tensor::allocate({DType::f32, {static_cast<int64_t>(kRows), static_cast<int64_t>(length)}}));
    for (size_t at = 0; at < rows.size(); at += kRows * length) {
      const size_t count = std::min(kRows * length, rows.size() - at);
      float* target = block.mutate<float>();
      std::copy_n(rows.data() + at, count, target);
      std::fill(target + count, target + kRows * length, 0.0f);
      QL_CHECK_OK(p.stream.run(std::vector<View>{block.view()}, p.outputs.views()));
      add(product, p.outputs[0].as<float>());
    }
    return {};
  }

 private:
  std::map<size_t, Product> by_length_;
};

}  // namespace

Result<std::shared_ptr<const InputMoments>> input_moments(const Graph& simplified, const CalibrationSource& source) {
  if (source.samples.empty())
    return invalid_argument("adaptive rounding needs calibration inputs, --calib names saved statistics only");
  QL_TRY(Evaluate evaluate, engine_evaluator(simplified));
  auto products = std::make_shared<Products>();
  auto moments = std::make_shared<InputMoments>(
      simplified, source.samples.size(),
      [products](std::span<const float> rows, size_t n, std::span<float> out) { return (*products)(rows, n, out); });
  Progress progress("moments", static_cast<int64_t>(source.samples.size()), "samples");
  for (const Sample& sample : source.samples) {
    QL_TRY(auto inputs, read_samples(sample, simplified, source));
    progress.advance();
    for (const std::vector<Tensor>& input : inputs) {
      Status failed;
      QL_CHECK_OK(evaluate(input, [&](ValueId id, const Tensor& t) {
        if (failed.ok() && t.dtype() == DType::f32) failed = moments->observe(id, t);
      }));
      QL_CHECK_OK(std::move(failed));
      moments->next_sample();
    }
  }
  return std::shared_ptr<const InputMoments>(std::move(moments));
}

}  // namespace quadlane::tools
