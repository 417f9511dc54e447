@grid
Feature: Loss and return of the grid
  Without grid voltage the PCS must stop and disconnect (a fed island is not modelled); with the grid back it waits before it connects again.

  Scenario: The grid fails under load and comes back
    Given the plant discharges at 0.5 C
    When the grid is lost
    Then within 2 s the PCS delivers no power [IEEE 1547-2018 Cat III UV2: 2 s below 0.5 pu]
    And within 2 s the PCS is blocked [IEEE 1547-2018 Cat III: cessation below 0.5 pu]
    And within 2 s the AC contactor is open [IEEE 1547-2018 Cat III UV2]
    And for 5 s the contactors of every cluster stay closed [the battery is not at fault]
    When the grid returns
    Then for 8 s the AC contactor stays open [enter-service delay of the rig file]
    And between 9 and 15 s later the AC contactor is closed [rig file: 10 s; IEEE 1547-2018 default 300 s R]
    And within 60 s the EMS runs the plant
    And within 90 s the PCS delivers at least 100 kW

  Scenario: A short sag is ridden through
    Given the plant discharges at 0.5 C
    When the grid voltage steps to 75 % of nominal
    And 500 ms pass
    Then still the AC contactor is closed [IEEE 1547-2018 Cat III: 20 s at 0.70 to 0.88 pu]
    And still the PCS delivers at least 500 kW [D: three clusters at 0.5 C give 570 kW, inside the current limit]
    When the grid voltage recovers
    Then within 1 s the PCS delivers at least 500 kW [D: as before the sag]
    And for 5 s the AC contactor stays closed
