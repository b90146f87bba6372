#include "engine/run/plan_signature.h"

#include <algorithm>

#include "engine/base/sha512.h"
#include "engine/run/plan_file.h"
#include "engine/run/plan_record.h"

namespace quadlane::run {
namespace {

std::span<const uint8_t> as_bytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

PlanSignature PlanSignature::read(std::span<const std::byte> section) {
  PlanSignature s;
  std::memcpy(s.key.data(), section.data(), s.key.size());
  std::memcpy(s.signature.data(), section.data() + s.key.size(), s.signature.size());
  return s;
}

std::vector<uint8_t> signed_message(std::span<const std::byte> file, std::span<const Section> sections, size_t index) {
  constexpr size_t kTableCrc = 28, kHeaderCrc = 60, kCrcInEntry = 12;
  const size_t table_end = kPlanHeaderBytes + sections.size() * kSectionBytes;
  std::vector<std::byte> head(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(table_end));
  for (size_t at : {kTableCrc, kHeaderCrc, kPlanHeaderBytes + index * kSectionBytes + kCrcInEntry})
    std::fill_n(head.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{});
  const size_t begin = sections[index].offset + sizeof(Ed25519Key), end = begin + sizeof(Ed25519Signature);
  const uint8_t none[sizeof(Ed25519Signature)] = {};
  Sha512 hash;
  hash.add(as_bytes(head)).add(as_bytes(file.subspan(table_end, begin - table_end))).add(none);
  const Sha512Digest digest = hash.add(as_bytes(file.subspan(end))).finish();
  constexpr std::string_view kPurpose = "Quadlane plan file 1";
  std::vector<uint8_t> message(kPurpose.begin(), kPurpose.end());
  message.insert(message.end(), digest.begin(), digest.end());
  return message;
}

std::optional<Ed25519Key> parse_key(std::string_view hex) {
  constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
  Ed25519Key key;
  if (hex.size() != 2 * key.size()) return {};
  for (size_t i = 0; i < hex.size(); ++i) {
    const size_t digit = kDigits.find(hex[i]);
    if (digit == kDigits.npos) return {};
    key[i / 2] = static_cast<uint8_t>((i % 2 ? key[i / 2] << 4 : 0) | digit % 16);
  }
  return key;
}

std::string key_hex(const Ed25519Key& key) {
  std::string hex;
  for (uint8_t byte : key)
    for (int shift : {4, 0}) hex += "0123456789abcdef"[byte >> shift & 15];
  return hex;
}

}  // namespace quadlane::run
