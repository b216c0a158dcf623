"""The colours of all charts, trees and traces, and their font. It does not know what is drawn with them, or by what.

Charts stand on paper, on white and on dark pages alike: what a figure draws on a page is readable on both (`SCREEN`;
no colour of `PALETTE` is near black or white), `INK` is for paper alone.
"""

FONT = "DejaVu Sans"
# After Okabe & Ito 2008, told apart by nearly all eyes; without their yellow, and with their orange and sky blue
# darker: a line on paper needs 3:1.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B88000", "#3498D3", "#767676")
# Whether the target is within reach, in trees (`views/tree/viewer/palette.js`), charts and traces alike.
ALIVE, DEAD = "#1f6cb0", "#c7621a"
UNKNOWN = "#BBBBBB"
WRONG = "#b3267a"  # a line that is no legal step, or a false calculation
INK, GRID, IDEAL, GREY, RULE = "#333333", "#E3E3E3", "#8F8F8F", "#8C8C8C", "#6E6E6E"
SCREEN, SCREEN_GRID = "#777777", "rgba(128,128,128,0.25)"  # 4.5:1 on white, 4.2:1 on JupyterLab's dark ground
