#include "tools/heart/montage.h"

#include <algorithm>
#include <vector>

#include "tools/heart/canvas.h"
#include "tools/heart/prepare.h"

namespace quadlane::tools {
namespace {

constexpr int kGap = 4;
constexpr int kTextRow = kGlyphHeight + 5;
constexpr int kTilePixels = 240;  // aimed at, per tile
constexpr int kMargin = 30;       // pixels of the slice, both sides together

// The square around what is labelled, with a margin; stray pixels, the outer 2 % on each side, do not count. The whole
// slice where nothing is labelled.
Window heart_window(const Exam& exam, std::span<const uint8_t> labels) {
  std::vector<int> xs, ys;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kBackground) continue;
    xs.push_back(static_cast<int>(i % static_cast<size_t>(exam.columns())));
    ys.push_back(static_cast<int>(i / static_cast<size_t>(exam.columns()) % static_cast<size_t>(exam.rows())));
  }
  if (xs.empty()) return {0, 0, exam.columns(), exam.rows()};
  auto bounds = [](std::vector<int>& v) {
    std::sort(v.begin(), v.end());
    return std::pair(v[v.size() / 50], v[v.size() - 1 - v.size() / 50]);
  };
  auto [left, right] = bounds(xs);
  auto [top, bottom] = bounds(ys);
  int side = std::max(right - left, bottom - top) + kMargin;
  int width = std::min(side, exam.columns()), height = std::min(side, exam.rows());
  return {std::clamp((left + right - width) / 2, 0, exam.columns() - width),
          std::clamp((top + bottom - height) / 2, 0, exam.rows() - height), width, height};
}

int scale_for(Window window) { return std::max(1, kTilePixels / std::max(window.width, window.height)); }

std::vector<float> shown(const Exam& exam, int image) {
  std::vector<float> grey(exam.pixels());
  int size = std::max(exam.rows(), exam.columns());
  std::vector<float> square(static_cast<size_t>(size) * size);
  prepare(exam.pixels_of(image), exam.rows(), exam.columns(), size, square);
  int top = (size - exam.rows()) / 2, left = (size - exam.columns()) / 2;
  for (int y = 0; y < exam.rows(); ++y)
    std::copy_n(square.data() + static_cast<size_t>(top + y) * size + left, exam.columns(),
                grey.data() + static_cast<size_t>(y) * exam.columns());
  return grey;
}

std::string tile_name(const char* phase, int slice) { return cat(phase, " slice ", slice + 1); }

void draw_legend(Picture& picture, int left, int top) {
  for (int label : {kLeftVentricle, kMyocardium, kRightVentricle}) {
    std::string name = kLabelNames[label];
    draw_text(picture, left, top, name, kLabelColours[label]);
    left += (static_cast<int>(name.size()) + 2) * kGlyphWidth;
  }
}

}  // namespace

Picture montage(const Exam& exam, std::span<const uint8_t> labels, const HeartFunction& f) {
  Window window = heart_window(exam, labels);
  int scale = scale_for(window), tile_w = window.width * scale + kGap, tile_h = window.height * scale + kGap + kTextRow;
  int columns = std::min(exam.slices(), 6), bands = (exam.slices() + columns - 1) / columns;
  Picture picture(columns * tile_w + kGap, 2 * bands * tile_h + kGap + kTextRow);
  draw_legend(picture, kGap, kGap);
  for (int half = 0; half < 2; ++half) {
    int phase = half == 0 ? f.end_diastole : f.end_systole;
    for (int slice = 0; slice < exam.slices(); ++slice) {
      int image = phase * exam.slices() + slice;
      int left = kGap + slice % columns * tile_w, top = kTextRow + kGap + (half * bands + slice / columns) * tile_h;
      draw_text(picture, left, top, tile_name(half == 0 ? "ED" : "ES", slice));
      draw_grey(picture, left, top + kTextRow, scale, shown(exam, image), exam.columns(), window);
      draw_contours(picture, left, top + kTextRow, scale, labels.subspan(exam.offset(image), exam.pixels()),
                    exam.columns(), window);
    }
  }
  return picture;
}

Picture side_by_side(const Exam& exam, const HeartFunction& f, std::span<const uint8_t> first,
                     const std::string& first_name, std::span<const uint8_t> second, const std::string& second_name) {
  Window window = heart_window(exam, first);
  int scale = scale_for(window), tile_w = window.width * scale + kGap, tile_h = window.height * scale + kGap + kTextRow;
  std::vector<int> slices = {exam.slices() / 5, exam.slices() / 2, exam.slices() * 3 / 4};
  slices.erase(std::unique(slices.begin(), slices.end()), slices.end());
  Picture picture(4 * tile_w + kGap, 2 * static_cast<int>(slices.size()) * tile_h + kGap + kTextRow);
  draw_legend(picture, kGap, kGap);
  int row = 0;
  for (int half = 0; half < 2; ++half)
    for (int slice : slices) {
      int image = (half == 0 ? f.end_diastole : f.end_systole) * exam.slices() + slice;
      auto a = first.subspan(exam.offset(image), exam.pixels()), b = second.subspan(exam.offset(image), exam.pixels());
      std::vector<float> grey = shown(exam, image);
      const std::string captions[4] = {tile_name(half == 0 ? "ED" : "ES", slice), first_name, second_name,
                                       cat("differ: ", changed(a, b), " pixels")};
      for (int column = 0; column < 4; ++column) {
        int left = kGap + column * tile_w, top = kTextRow + kGap + row * tile_h;
        draw_text(picture, left, top, captions[column]);
        draw_grey(picture, left, top + kTextRow, scale, grey, exam.columns(), window);
        if (column == 1) draw_contours(picture, left, top + kTextRow, scale, a, exam.columns(), window);
        if (column == 2) draw_contours(picture, left, top + kTextRow, scale, b, exam.columns(), window);
        if (column == 3) draw_differences(picture, left, top + kTextRow, scale, a, b, exam.columns(), window);
      }
      ++row;
    }
  return picture;
}

}  // namespace quadlane::tools
