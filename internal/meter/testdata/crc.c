// A C program: sorts and checksums a buffer that it fills itself.
#define EXPORT __attribute__((visibility("default")))

static unsigned data[4096];

static void sort(int lo, int hi) {
  while (lo < hi) {
    unsigned pivot = data[(lo + hi) / 2];
    int i = lo, j = hi;
    while (i <= j) {
      while (data[i] < pivot) i++;
      while (data[j] > pivot) j--;
      if (i <= j) {
        unsigned t = data[i];
        data[i++] = data[j];
        data[j--] = t;
      }
    }
    sort(lo, j);
    lo = i;
  }
}

EXPORT unsigned crc(unsigned n) {
  if (n == 0 || n > 4096) return 0;
  unsigned x = 12345, c = ~0u;
  for (unsigned i = 0; i < n; i++) data[i] = x = x * 1664525 + 1013904223;
  sort(0, n - 1);
  for (unsigned i = 0; i < n; i++) {
    c ^= data[i];
    for (int k = 0; k < 32; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
  }
  return ~c;
}
