"""`handgrad sweep`: one experiment over a grid of hyper-parameters, both sides trained and judged at every point.

Source 003's sister posts sweep pairs of hyper-parameters and a grid of 2⁵ models; source 004 wonders why some of its
runs never learn. `presets` has them by name.
"""
