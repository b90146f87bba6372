#include "engine/run/step.h"

#include <algorithm>

namespace quadlane::run {

void fill_padding(std::byte* arena, const Geometry& g, std::span<const int64_t> planes, std::span<const uint32_t> pads,
                  Stored stored, int part, int parts) noexcept {
  const int64_t above = int64_t{g.pad_top} * g.pitch + g.gap;
  const int64_t covered = stored == Stored::vectors ? int64_t{g.vectors()} * kVectorPixels : int64_t{g.h} * g.pitch;
  const int64_t below = int64_t{g.h + g.pad_bottom} * g.pitch + g.gap;
  const Share rows(stored == Stored::pixels && g.gap > 0 ? g.h : 0, part, parts);
  for (int n = 0; n < g.n; ++n)
    for (size_t i = 0; i < planes.size(); ++i) {
      auto* image = reinterpret_cast<uint32_t*>(arena + planes[i] + n * g.image_bytes());
      if (part == 0) std::fill(image - above, image, pads[i]);
      if (part == parts - 1 && below > covered) std::fill(image + covered, image + below, pads[i]);
      for (int64_t y = rows.begin; y < rows.end; ++y)
        std::fill(image + y * g.pitch + g.w, image + (y + 1) * g.pitch, pads[i]);
    }
}

void Refusal::keep(const Step& step, int part, Error error) noexcept {
  std::lock_guard held(lock_);
  if (step_ && (step_ != &step || part_ < part)) return;
  step_ = &step;
  part_ = part;
  error_ = std::move(error);
}

Status Refusal::take() {
  const Step* step = std::exchange(step_, nullptr);
  if (!step) return {};
  return Status(std::move(error_)).context(cat("node '", step->info.name, "' (", step->info.op, ")"));
}

}  // namespace quadlane::run
