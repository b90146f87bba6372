// Fully connected layers on sequences and on images whose channels lie last: products with constant weights.
//
//   MatMul(x[.., k], W[k, n])  =>  MatMul(DQ(Q(x)), DQ(W s8, a scale for each column))        the result is f32
//
// What of it the int8 kernels need no rounding for, they take: the constant that is added, and a Relu and the
// QuantizeLinear of a product behind it.
#pragma once
#include "graph/quant/emit.h"
#include "graph/quant/quantize.h"
#include "graph/quant/storage.h"

namespace quadlane {

// The products of a graph in the form for Quadlane.
class QuantProducts {
 public:
  QuantProducts(const Graph& fp32, const Profile& profile, const QuantPolicy& policy)
      : fp32_(fp32), profile_(profile), policy_(policy) {}

  // Decides which become int8 and how their inputs are stored; reports both, and why others stay in fp32.
  Status plan(const StoragePlan&, QuantReport&);
  bool has(NodeId id) const { return products_.count(id) > 0; }
  // Adds the product on bytes to `g`, which has the nodes of the fp32 graph under the same ids; returns its result.
  Result<ValueId> write(NodeId id, Graph& g, QdqEmitter&);

 private:
  const char* reason_for_fp32(const Node&, const StoragePlan&) const;
  const ValueProfile* columns_of(ValueId x) const;
  Status store(ValueId x, QuantReport&);
  ValueId bytes_of(ValueId x, ValueId now, QdqEmitter&);

  const Graph& fp32_;
  const Profile& profile_;
  const QuantPolicy& policy_;
  std::set<NodeId> products_;
  std::map<ValueId, ByteScale> stored_;
  std::map<ValueId, ValueId> real_;  // what stands for a stored value: its bytes, dequantized
};

}  // namespace quadlane
