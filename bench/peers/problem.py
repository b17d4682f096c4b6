"""Problem strings of dwconv in Python (the dense f32 ones without parameters of an activation), and what they compute."""
import re

import numpy as np

PATTERN = re.compile(r"f32_(nlc|ncl)_n(\d+)_l(\d+)_c(\d+)_k(\d+)_m(\d+)_s(\d+)_d(\d+)_pl(\d+)_pr(\d+)_(bias|nobias)"
                     r"_(linear|silu)")


class Problem:
    @classmethod
    def parse(cls, text):
        match = PATTERN.fullmatch(text)
        if not match:
            raise ValueError(f"problem={text}: must be dense f32, linear or silu, without state")
        p = cls()
        p.text, p.layout = text, match[1]
        p.N, p.L, p.C, p.K, p.M, p.S, p.D, p.PL, p.PR = map(int, match.groups()[1:10])
        p.bias, p.activation = match[11] == "bias", match[12]
        p.out = (p.L + p.PL + p.PR - (p.K - 1) * p.D - 1) // p.S + 1
        if p.out < 1:
            raise ValueError(f"problem={text}: it has no output")
        return p

    @property
    def ncl(self):
        return self.layout == "ncl"

    @property
    def silu(self):
        return self.activation == "silu"

    @property
    def x_shape(self):
        return (self.N, self.C, self.L) if self.ncl else (self.N, self.L, self.C)

    @property
    def y_shape(self):
        channels = self.C * self.M
        return (self.N, channels, self.out) if self.ncl else (self.N, self.out, channels)

    @property
    def flops(self):
        return 2 * self.N * self.out * self.C * self.M * self.K

    def reference(self, x, w, b):
        """y in double, from the formula: one tap after the other, on whole arrays."""
        y = np.empty(self.y_shape, np.float32)
        for n in range(self.N):
            row = x[n].T if self.ncl else x[n]  # (L, C)
            padded = np.zeros((self.L + self.PL + self.PR, self.C))
            padded[self.PL:self.PL + self.L] = row
            total = np.zeros((self.out, self.C, self.M))
            if self.bias:
                total += b.reshape(self.C, self.M)
            for k in range(self.K):
                taken = padded[k * self.D:k * self.D + (self.out - 1) * self.S + 1:self.S]
                total += taken[:, :, None] * w[k].astype(np.float64)
            total = total.reshape(self.out, self.C * self.M)
            if self.silu:
                total = total / (1 + np.exp(-total))
            y[n] = total.T if self.ncl else total
        return y
