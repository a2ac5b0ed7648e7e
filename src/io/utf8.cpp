// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#include "io/utf8.h"

#include <cstdint>

namespace olivine {

bool is_utf8(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    auto c = static_cast<unsigned char>(s[i]);
    size_t more = c < 0x80 ? 0 : c < 0xc2 ? 4 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 4;
    if (more == 4 || i + more >= s.size()) return false;
    uint32_t code = more == 0 ? c : c & (0x3fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      auto next = static_cast<unsigned char>(s[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    if (surrogate || code > 0x10ffff || (more == 2 && code < 0x800) ||
        (more == 3 && code < 0x10000)) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

std::string one_line(std::string_view s) {
  constexpr size_t kMost = 1000;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < s.size();) {
    if (out.size() >= kMost) return out + "...";
    auto c = static_cast<unsigned char>(s[i]);
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c >= ' ' && c != 0x7f && is_utf8(s.substr(i, n))) {
      out += s.substr(i, n);
      i += n;
    } else {
      out += {'\\', 'x', kDigits[c >> 4], kDigits[c & 15]};
      ++i;
    }
  }
  return out;
}

}  // namespace olivine
