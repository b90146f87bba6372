#include "engine/run/dense/gather.h"

#include <cstring>

#include "engine/base/guard.h"
#include "engine/base/index.h"

namespace quadlane::run {

void GatherStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (slab_bytes == 0) return;  // nothing moves, however often
  const auto* src = static_cast<const std::byte*>(from.at(ctx));
  auto* dst = static_cast<std::byte*>(to.at(ctx));
  const void* list = index.at(ctx);
  Share share(outer * indices, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t given =
        wide ? static_cast<const int64_t*>(list)[i % indices] : static_cast<const int32_t*>(list)[i % indices];
    if (given < -extent || given >= extent) {
      ctx.keep(*this, part, guarded([&]() -> Status { return bad_index(i % indices, given, extent); }));
      return;
    }
    const int64_t slab = i / indices * extent + (given < 0 ? given + extent : given);
    std::memcpy(dst + static_cast<size_t>(i) * slab_bytes, src + static_cast<size_t>(slab) * slab_bytes, slab_bytes);
  }
}

}  // namespace quadlane::run
