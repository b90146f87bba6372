// Plan files that are changed and whose checksums are right all the same: what somebody who means it would write.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "engine/base/crc32c.h"
#include "engine/run/plan_file.h"
#include "engine/run/plan_record.h"

namespace quadlane::testing {

// Makes the checksums of a section, of the table and of the header right again.
inline void seal(std::vector<std::byte>& bytes, std::span<const run::Section> sections, size_t index) {
  const run::Section& s = sections[index];
  auto put = [&](size_t at, uint32_t crc) { std::memcpy(bytes.data() + at, &crc, 4); };
  put(run::kPlanHeaderBytes + index * run::kSectionBytes + 12, crc32c(std::span(bytes).subspan(s.offset, s.bytes)));
  put(28, crc32c(std::span(bytes).subspan(run::kPlanHeaderBytes, sections.size() * run::kSectionBytes)));
  put(60, crc32c(std::span(bytes).first(60)));
}

// The plan file `bytes`, as it would be if the golden input gave other outputs on the machine that wrote it.
inline std::vector<std::byte> with_other_golden_outputs(std::vector<std::byte> bytes,
                                                        std::span<const run::Section> sections) {
  size_t index = 0;
  while (sections[index].kind != run::kGoldenSection) ++index;
  bytes[sections[index].offset + sections[index].bytes - 1] ^= std::byte{1};
  seal(bytes, sections, index);
  return bytes;
}

}  // namespace quadlane::testing
