#include "graph/macs.h"

#include <algorithm>

namespace quadlane {

double macs_of(const Graph& graph, const Node& node) {
  auto shape = [&](ValueId id) -> const Shape& { return graph.at(id).type.shape; };
  if (node.op == "Conv" || node.op == "ConvInteger" || node.op == "ConvTranspose") {
    const Shape& w = shape(node.input(1));
    const ValueId pixels = node.op == "ConvTranspose" ? node.input(0) : node.output();
    return static_cast<double>(elements(shape(pixels))) * static_cast<double>(elements(w)) /
           static_cast<double>(std::max<int64_t>(w[0], 1));
  }
  if (node.op == "LSTM" || node.op == "GRU" || node.op == "RNN") {  // both weights at each position of each row
    const Shape& x = shape(node.input(0));
    return static_cast<double>(x[0]) * static_cast<double>(x[1]) *
           static_cast<double>(elements(shape(node.input(1))) + elements(shape(node.input(2))));
  }
  const bool gemm = node.op == "Gemm";
  if (!gemm && node.op != "MatMul" && node.op != "MatMulInteger") return 0;
  const Shape& a = shape(node.input(0));
  return static_cast<double>(elements(shape(node.output()))) *
         static_cast<double>(gemm && node.attrs.int_or("transA", 0) ? a[0] : a.back());
}

}  // namespace quadlane
