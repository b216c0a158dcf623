import sys, time
sys.path[:0]=["/work/wt-views/tests"]
from test_notebook_browser import *  # noqa
for n in [k for k in list(globals()) if k.startswith("test_")]: del globals()[n]
def test_widgets(lab, browser):
    cells=["import sys; sys.path[:0]=['/work/wt-views/tests','/work/wt-views/tests/views']\nfrom routed_worlds import make_grid\nfrom game24lab.views.widgets.router_prices import Pricing\np=Pricing(make_grid(60),(1e-3,0.0)); p",
    "from game24lab.views.widgets.side_by_side import SideView\nimport test_side_by_side as t\nSideView(t.ROWS)",
    "from game24lab.views.widgets.word_solution import SolutionView\nSolutionView('Ann has 3 <b>apples</b>?', 'x #### 6', '<reasoning>\\n3 + 3 = 6\\n3 * 3 = 8\\n</reasoning>\\n<answer>\\n6\\n</answer>')",
    "import test_chain_widget as c\nfrom game24lab.tasks.numbers.chains import judge_chain\nc.ChainView(judge_chain((1, 11, 11, 13), c.CHAIN))",
    "import test_reward_weights as r\nfrom game24lab.views.widgets.reward_weights import Weighing\nw=Weighing(r.ROWS); w","done=1"]
    nb=nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    nbformat.write(nb, lab[1]/"w.ipynb")
    page, kernel = open_notebook(browser, lab, "w.ipynb", ".js-plotly-plot")
    page.set_viewport_size({"width":1300,"height":2300})
    wait_for(lambda: kernel.ask("'done' in globals()")=="True","end")
    time.sleep(2)
    kernel.run("p.tokens.value = 1e-2; w.sliders['length'].value=0.9")
    time.sleep(2)
    page.screenshot(path="/tmp/pics/widgets.png")
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"); time.sleep(2)
    page.screenshot(path="/tmp/pics/widgets_dark.png")
