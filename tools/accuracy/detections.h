// Boxes that a detector's outputs name, and how well they agree with those wanted.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/base/tensor.h"

namespace quadlane::tools {

struct Detection {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  int32_t kind = 0;
  float score = 1;
};

// How outputs of one image hold boxes:
//   pair     [1, n, 4] and [1, n, k]   corners, and the scores of k classes; of two or more the first is the background
//   corners  [1, n, 6]                 x1, y1, x2, y2, score, class
//   centres  [1, n, 5 + k]             centre x, y, width, height, objectness, k classes (YOLOv5); [1, n, 6] is such
//                                      where the last number is no class: not whole
//   columns  [1, 4 + k, n], n > 4 + k  the same, a box in each column, without objectness (YOLOv8)
// Offsets to anchors are no boxes: a network that leaves decoding to its caller cannot be judged.
struct BoxForm {
  enum class Kind : uint8_t { pair, corners, centres, columns };
  Kind kind = Kind::pair;
  size_t boxes = 0, scores = 0;  // outputs: the same one, but of a pair
  int64_t width = 4;             // numbers of a box
  int64_t classes = 0;
};
Result<BoxForm> box_form(std::span<const Tensor> outputs);

// In the coordinates of the outputs; the overlapping ones of a class but the best are left out. None in outputs that
// depend on the data and have come in another form.
std::vector<Detection> detections_of(std::span<const Tensor> outputs, const BoxForm&);
// Those that count as found where a network's own answer is the truth.
std::vector<Detection> confident(const std::vector<Detection>&);

// "class,x1,y1,x2,y2" a line.
Result<std::vector<Detection>> read_boxes(const std::string& path);

// Mean over the classes wanted of the average precision: the area under precision over recall, precision being the best
// at any higher recall; a detection is right where it meets a wanted box, not met yet, of its class with an overlap of
// half their union.
class BoxScore {
 public:
  void add(const std::vector<Detection>& got, const std::vector<Detection>& wanted);
  BoxScore& operator+=(const BoxScore&);
  double value() const;

 private:
  struct Found {
    int32_t kind;
    float score;
    bool right;
  };
  std::vector<Found> found_;
  std::vector<int32_t> wanted_;  // classes
};

}  // namespace quadlane::tools
