// Reading products with constants in whatever order an exporter wrote them.
#pragma once
#include "graph/passes/rewrite.h"

namespace quadlane {

// a = b to the digits that exporters write.
bool nearly(double a, double b);

// v = constant * the product of the factors, as far as Mul by anything and Div by scalars produce it. At most eight
// factors; one of v itself where nothing multiplies.
struct Product {
  double constant = 1;
  std::vector<ValueId> factors;
};
Product product_of(const Graph&, ValueId v);

// k where v = k * x.
std::optional<double> multiple_of(const Graph&, ValueId v, ValueId x);
// x where v = k * x for the given k.
std::optional<ValueId> divided_by(const Graph&, ValueId v, double k);
// x where v = x + k.
std::optional<ValueId> minus(const Graph&, ValueId v, double k);

}  // namespace quadlane
