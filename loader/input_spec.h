// The inputs a file declares, with the dimensions it leaves open, and the shapes they are bound to.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/base/tensor.h"

namespace quadlane {

inline constexpr int64_t kOpenExtent = -1;

struct Dim {
  int64_t extent = kOpenExtent;
  std::string symbol;  // equal symbols have equal extents; "" where the file gives no name
  bool is_open() const { return extent == kOpenExtent; }
};

struct InputSpec {
  std::string name;
  DType dtype = DType::f32;
  bool has_shape = true;  // false: any rank
  std::vector<Dim> dims;

  bool is_open() const;  // some dimension is
};

// "f32[N,3,height,?]"
std::string to_string(const InputSpec&);

struct ShapeBinding {
  std::map<std::string, Shape> shapes;     // by input; they replace what the file declares
  std::map<std::string, int64_t> symbols;  // by symbol
  int64_t batch = 0;                       // replaces every outermost extent that `shapes` leaves alone; 0: none
};

// The inputs with what is bound fixed. The shape of one input binds its symbols for all of them.
Result<std::vector<InputSpec>> narrowed(std::span<const InputSpec>, const ShapeBinding&);
// A shape for every input. Open dimensions that look like the batch (the outermost, or named so) are 1 unless bound;
// one error names every other dimension that stays open, with an example of what to give.
Result<std::vector<Shape>> bind_shapes(std::span<const InputSpec>, const ShapeBinding&);

// Whether tensors of these shapes are what the inputs declare: rank, fixed extents, equal extents for equal symbols.
Status check_shapes(std::span<const InputSpec>, std::span<const Shape>);

}  // namespace quadlane
