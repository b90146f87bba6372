// LSTM, GRU and RNN: what their attributes and shapes say, for the reference and for the compiler.
//
// Inputs x, w, r, b, lengths, h, and of LSTM c, p; outputs y, the last h, and of LSTM the last c. Activations are one
// string, names with spaces between (loader/attribute.cc).
#pragma once

#include "graph/op_table.h"

namespace quadlane {

enum class Cell : uint8_t { lstm, gru, rnn };
struct RecurrentInput {
  enum : size_t { x, w, r, b, lengths, h, c, p };
};

struct CellActivation {
  std::string_view name;  // as ONNX writes it
  float alpha, beta;
};

struct Recurrent {
  Cell cell;
  int64_t gates;
  int64_t positions, batch, inputs, hidden, directions;
  bool reverse;    // the first direction; a second one always is
  bool batchwise;  // layout 1: the batch is x's first axis
  bool input_forget, reset_after;
  float clip;                               // infinity: none
  std::vector<CellActivation> activations;  // of the first direction, then of the second

  bool backwards(int64_t direction) const { return reverse || direction == 1; }
  size_t functions() const { return activations.size() / static_cast<size_t>(directions); }
};

inline bool is_recurrent(std::string_view op) { return op == "LSTM" || op == "GRU" || op == "RNN"; }
// Everything checked: element types, shapes, attributes, the lengths where they are known.
Result<Recurrent> recurrent_of(const OpContext&);

// Where things lie, in elements.
struct RecurrentStrides {
  int64_t x_position, x_row;
  int64_t y_position, y_direction, y_row;
  int64_t state_direction, state_row;
};
RecurrentStrides strides_of(const Recurrent&);

}  // namespace quadlane
